#!/usr/bin/python
"""The host's half: runs redisguard-install and hands on what it says. All judgement is the installer's."""

from __future__ import annotations

DOCUMENTATION = r"""
module: redisguard
short_description: Guards retired Redis ports with a bundle that was reviewed
description:
  - Brings C(redisguard-install) and a bundle to the host and has the one apply the other. A host that
    has both is asked and nothing more.
  - In check mode a host may have nothing yet. The program is run from a temporary directory, which is
    removed again.
  - Needs root on the host.
options:
  state:
    description:
      - Whether the host is guarded. V(absent) takes the guard away and opens the ports.
      - V(probed) changes nothing. It has this host try the ports of O(hosts) as an outsider and fails where they
        meet something else than the bundle promises.
    type: str
    choices: [present, absent, probed]
    default: present
  bundle:
    description: The bundle, a directory on the controller. Required unless O(state=absent).
    type: path
  bundle_sha256:
    description: The SHA-256 that the bundle's file SHA256SUMS must have, checked before a host is reached.
    type: str
    default: ""
  binary:
    description:
      - The program C(redisguard-install) on the controller, or the Debian package that brings it, one for each
        architecture of the hosts. A host is brought the one that is built for it.
      - A package is installed as dpkg does it. It stays when the guard is taken away.
    type: list
    elements: path
    required: true
  binary_sha256:
    description: The SHA-256 sums that the programs may have, checked before a host is reached. None is any.
    type: list
    elements: str
    default: []
  confirm:
    description:
      - A time such as V(60s). After a change the controller confirms it over a new connection. Where that does
        not succeed in this time the host goes back by itself to what it was before.
      - Empty, nothing is confirmed and nothing goes back.
    type: str
    default: ""
  cut_sessions:
    description:
      - Whether sessions that are open from outside may be cut, where the bundle has C(existing = "cut").
        Without it a host with such sessions is refused, and nothing on it is changed.
    type: bool
    default: false
  expect:
    description:
      - The parts of the guard that the host runs, V(rules) and any of V(boot), V(listener) and V(timer). Only these
        are enabled, started and judged.
      - Empty, they are those that the bundle expects, and a host without systemd is refused.
    type: list
    elements: str
    default: []
  look:
    description: Only look whether the host differs. Nothing is brought to it, and nothing changes.
    type: bool
    default: false
  address:
    description: By which name or address others reach the host. Handed on, for a task with O(state=probed).
    type: str
    default: ""
  hosts:
    description: The names or addresses to probe. Required with O(state=probed).
    type: list
    elements: str
  control:
    description: A port that answers on a host that is up, with O(state=probed).
    type: int
    default: 22
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
author: CommsOps Team
"""

EXAMPLES = r"""
- name: Guard the retired Redis ports
  redisguard:
    bundle: "{{ playbook_dir }}/../generated"
    binary: "{{ playbook_dir }}/../target/release/redisguard-install"
  become: true
"""

RETURN = r"""
steps:
  description: What was done, or in check mode would be; each with kind, target and action.
  type: list
  elements: dict
  returned: when the host could be looked at
bundle:
  description: The digest that the rules carry in their comments.
  type: str
  returned: when the host could be looked at
source:
  description: The bundle's directory on the controller.
  type: str
  returned: always; empty with O(state=absent)
address:
  description: What was given as O(address).
  type: str
  returned: always
differs:
  description: Whether the host is otherwise than it shall be.
  type: bool
  returned: with O(look)
confirm_by:
  description: Until when the change had to be confirmed.
  type: str
  returned: with O(confirm), after a change
hosts:
  description: The hosts that did not keep what the bundle promises, as C(redisguard-install probe --json) says it.
  type: list
  elements: dict
  returned: with O(state=probed), on failure
"""

import calendar
import hashlib
import json
import os
import platform
import shutil
import tempfile
import time
import zipfile

from ansible.module_utils.basic import AnsibleModule

PROGRAM = "/usr/local/sbin/redisguard-install"
PACKAGED = "/usr/sbin/redisguard-install"
STATE = "/var/lib/redisguard"
MFD_EXEC = 0x10


def contents(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def sum_of(path):
    return hashlib.sha256(contents(path)).hexdigest()


def unsupported(module):
    """What keeps a host from being guarded, seen before anything is brought to it."""
    tools = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    if platform.system() != "Linux":
        return f"it runs {platform.system()}, not Linux"
    if not os.path.isdir("/run/systemd/system") and not module.params["expect"]:
        return "systemd does not run on it, and `expect` does not say which parts of the guard run there"
    if not any(shutil.which(tool, path=tools) for tool in ("iptables", "nft")):
        return "it has neither iptables nor nft"
    return ""


def on_host(module):
    """The program and the bundle that the host has, or an end of the run that says what to bring."""
    try:
        receipt = json.loads(contents(f"{STATE}/receipt.json"))
    except ValueError:
        receipt = {}
    state, offer, machine = module.params["state"], module.params["_offer"], platform.machine()
    why = unsupported(module) if state == "present" else ""
    if why:
        module.fail_json(msg=f"could not guard this host: {why}")
    built_for = [name for name in offer["binaries"] if machine.startswith(name)]
    ours = offer["binaries"][built_for[0]] if built_for else None
    if state == "absent":
        # What was installed with the receipt can read it.
        ours = receipt.get("files", {}).get(PROGRAM, {}).get("sha256", ours)
    programs = {PROGRAM}
    if state == "present" and built_for and built_for[0] in offer["packaged"]:
        programs.add(PACKAGED)
    wanted = [] if {sum_of(program) for program in programs} == {ours} else ["binary"]
    sums = {receipt.get("sum"), sum_of(f"{STATE}/bundle/SHA256SUMS")}
    if state != "absent" and (wanted or sums != {offer["bundle"]}):
        wanted.append("bundle")
    if "binary" in wanted and offer["binaries"] and not built_for:
        module.fail_json(
            msg="could not run {0}: it is built for {1}, this host is {2}".format(
                ", ".join(module.params["binary"]), ", ".join(offer["binaries"]), machine
            )
        )
    if wanted:
        want(module, wanted)
    return PROGRAM, f"{STATE}/bundle"


def want(module, wanted, **known):
    """Ends a look: the host is to be changed, and needs this for it."""
    machine = [name for name in module.params["_offer"]["binaries"] if platform.machine().startswith(name)]
    module.exit_json(_wanted=wanted, _machine="".join(machine), differs=True, **known)


def unpacked(module, payload, directory):
    """The program and the bundle of the payload; what was not brought is on the host."""
    with zipfile.ZipFile(payload) as archive:
        archive.extractall(directory)
    brought = {name: os.path.join(directory, name) for name in os.listdir(directory)}
    if "package" in brought:
        brought["binary"] = installed(module, brought["package"])
    elif "binary" in brought:
        os.chmod(brought["binary"], 0o700)
    return brought.get("binary", PROGRAM), brought.get("bundle", f"{STATE}/bundle")


def installed(module, package):
    """The program of a package, once that is installed."""
    known = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    status, said, words = module.run_command(["dpkg", "--install", package], environ_update=known)
    if status:
        module.fail_json(msg=f"could not install the package: {(words or said).strip()}")
    return PACKAGED


def executable(module, program):
    """A path to run the program by, and the descriptors to pass on. Hardened hosts mount noexec what
    users can write: there it is run from memory (memfd_create(2))."""
    if not os.statvfs(program).f_flag & os.ST_NOEXEC:
        return program, []
    if contents("/proc/sys/vm/memfd_noexec").strip() == b"2":
        module.fail_json(msg=f"could not run {program}: its mount is noexec; set ansible_remote_tmp to elsewhere")
    try:
        memory = os.memfd_create("redisguard-install", MFD_EXEC)
    except OSError:  # The flag came with Linux 6.3.
        memory = os.memfd_create("redisguard-install", 0)
    os.write(memory, contents(program))
    return f"/proc/self/fd/{memory}", [memory]


def shown(module, answer):
    """The installer's answer in Ansible's words."""
    for peer in answer.get("peers", []):
        module.warn(f"port {peer['port']}: {peer['address']} is connected right now")
    steps = [{key: step[key] for key in ("kind", "target", "action")} for step in answer["steps"]]
    result = {"changed": answer["changed"], "bundle": answer["bundle"], "steps": steps}
    if module._diff:
        texts = [step.get("diff") or "{kind} {target}: {action}".format(**step) for step in answer["steps"]]
        result["diff"] = {"prepared": "".join(text.rstrip("\n") + "\n" for text in texts)}
    return result


class Installer:
    """The program, and the bundle that it is to apply."""

    def __init__(self, module, program, bundle):
        self.module = module
        self.path, self.descriptors = executable(module, program)
        self.bundle = bundle

    def says(self, *verb, **known):
        """Its answer, or an end of the run with its words."""
        options = ["--bundle", self.bundle] if verb[0] in ("plan", "apply", "probe") else []
        command = [self.path, *options, "--json", *verb]
        status, said, words = self.module.run_command(command, pass_fds=self.descriptors)
        if status in (0, 1):
            return json.loads(said)
        if verb[0] == "plan" and not self.module.params["_act"]:
            # What the host has may be damaged: what the controller brings decides.
            want(self.module, ["binary", "bundle"])
        words = (words or said).strip()
        self.module.fail_json(msg=words[7:] if words.startswith("error: ") else words, **known)

    def must_be_well(self, result, not_started=()):
        """What apply could not start on a host without systemd is a warning once, and a failure of later runs."""
        status = self.says("status", **result)
        not_started = [finding["kind"] for finding in not_started]
        for finding in status["findings"]:
            if finding["kind"] in not_started:
                self.module.warn("not running yet: {target}: {detail}".format(**finding))
        left = [finding for finding in status["findings"] if finding["kind"] not in not_started]
        if not status["in_sync"] or not (status["healthy"] or not_started and not left):
            findings = ["{kind} {target}: {detail}".format(**finding) for finding in left or status["findings"]]
            self.module.fail_json(msg="the host is not as it was applied: " + "; ".join(findings), **result)


def declared(module):
    """What the host declares that it runs. Without a declaration, that of an earlier run is taken back."""
    if module.params["expect"]:
        return ["--expect", ",".join(module.params["expect"])]
    return ["--expect", "bundle"] if b'"expect"' in contents(f"{STATE}/receipt.json") else []


def left(confirm_by):
    """The seconds until then, by the clock of this host."""
    return max(0, calendar.timegm(time.strptime(confirm_by, "%Y-%m-%dT%H:%M:%SZ")) - time.time())


def look(module, installer):
    """Whether there is anything to do, which ends the run."""
    present = module.params["state"] == "present"
    answer = installer.says(*(("plan", *declared(module)) if present else ("remove", "--dry-run")))
    result = shown(module, answer)
    if present and not answer["changed"] and "confirm_by" in answer:
        # An earlier run was stopped before it could confirm.
        known = {"confirm_by": answer["confirm_by"], "_left": left(answer["confirm_by"])}
        want(module, [], **{**result, **known, "changed": not module.params["look"]})
    if answer["changed"] and module.params["look"]:
        want(module, [], **{**result, "changed": False})
    if answer["changed"] and not module.check_mode:
        want(module, [])
    if present and not answer["changed"]:
        installer.must_be_well(result)
    module.exit_json(differs=answer["changed"], **result)


def act(module, installer):
    """Does what is to be done, or says it in check mode."""
    present, confirm = module.params["state"] == "present", module.params["confirm"]
    if module.check_mode:
        verb = ["plan", *declared(module)] if present else ["remove", "--dry-run"]
    elif present:
        verb = ["apply", *declared(module), *(["--confirm", confirm] if confirm else [])]
        verb += ["--cut-sessions"] if module.params["cut_sessions"] else []
    else:
        verb = ["remove"]
    answer = installer.says(*verb)
    result = shown(module, answer)
    if module.params["_package"]:
        result["changed"] = True
        result["steps"].insert(0, {"kind": "package", "target": "redisguard", "action": "install"})
        if module._diff:
            result["diff"]["prepared"] = "package redisguard: install\n" + result["diff"]["prepared"]
    if "confirm_by" in answer:
        result.update(confirm_by=answer["confirm_by"], _left=left(answer["confirm_by"]))
    if present and not module.check_mode:
        installer.must_be_well(result, answer.get("findings", []))
    module.exit_json(**result)


def probe(module, installer):
    """Tries the ports of other hosts as an outsider."""
    answer = installer.says("probe", "--control", str(module.params["control"]), "--", *module.params["hosts"])
    wrong, words = [host for host in answer["hosts"] if not host["as_promised"]], []
    for host in wrong:
        ports = [port for port in host["ports"] if not port["as_promised"]]
        met = ["port {port} at {address}: promised {promised}, met {met}".format(**port) for port in ports]
        words += [f"{host['host']}: {text}" for text in ([host["problem"]] if host["problem"] else met)]
    if not answer["as_promised"]:
        module.fail_json(msg="not as promised: " + "; ".join(words), hosts=wrong)
    module.exit_json(changed=False)


def work(module, program, bundle):
    installer = Installer(module, program, bundle)
    if module.params["state"] == "probed":
        probe(module, installer)
    if module.params["_act"]:
        act(module, installer)
    look(module, installer)


def main():
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent", "probed"], "default": "present"},
            "bundle": {"type": "path"},
            "bundle_sha256": {"type": "str", "default": ""},
            "binary": {"type": "list", "elements": "path", "required": True},
            "binary_sha256": {"type": "list", "elements": "str", "default": []},
            "confirm": {"type": "str", "default": ""},
            "cut_sessions": {"type": "bool", "default": False},
            "expect": {"type": "list", "elements": "str", "default": []},
            "look": {"type": "bool", "default": False},
            "address": {"type": "str", "default": ""},
            "hosts": {"type": "list", "elements": "str"},
            "control": {"type": "int", "default": 22},
            "_offer": {"type": "dict"},
            "_act": {"type": "bool", "default": False},
            "_payload": {"type": "path"},
            "_package": {"type": "bool", "default": False},
            "_confirm": {"type": "bool", "default": False},
        },
        required_if=[("state", "present", ("bundle",)), ("state", "probed", ("bundle", "hosts"))],
        supports_check_mode=True,
    )
    if module.params["_confirm"]:
        Installer(module, PROGRAM, "").says("confirm")
        module.exit_json(changed=True)
    payload = module.params["_payload"]
    if not payload:
        work(module, *((PROGRAM, f"{STATE}/bundle") if module.params["_act"] else on_host(module)))
    # Not in a directory that Ansible would make for root: that one would stay.
    temporary = os.path.dirname(payload)
    directory = tempfile.mkdtemp(dir=temporary)
    try:
        work(module, *unpacked(module, payload, directory))
    finally:
        shutil.rmtree(temporary)


if __name__ == "__main__":
    main()
