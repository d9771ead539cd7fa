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
    description: Whether the host is guarded. V(absent) takes the guard away and opens the ports.
    type: str
    choices: [present, absent]
    default: present
  bundle:
    description: The bundle, a directory on the controller. Required with O(state=present).
    type: path
  binary:
    description: The program C(redisguard-install) on the controller, built for the host's architecture.
    type: path
    required: true
  cut_sessions:
    description:
      - Whether sessions that are open from outside may be cut, where the bundle has C(existing = "cut").
        Without it a host with such sessions is refused, and nothing on it is changed.
    type: bool
    default: false
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
  returned: success
bundle:
  description: The digest that the rules carry in their comments.
  type: str
  returned: success
"""

import hashlib
import json
import os
import platform
import shutil
import tempfile
import zipfile

from ansible.module_utils.basic import AnsibleModule

PROGRAM = "/usr/local/sbin/redisguard-install"
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


def on_host(module):
    """The program and the bundle that the host has, or an end of the run that says what to bring."""
    try:
        receipt = json.loads(contents(f"{STATE}/receipt.json"))
    except ValueError:
        receipt = {}
    offer, present = module.params["_offer"] or {}, module.params["state"] == "present"
    ours = offer.get("binary")
    if not present:
        # What was installed with the receipt can read it.
        ours = receipt.get("files", {}).get(PROGRAM, {}).get("sha256", ours)
    sums = {receipt.get("sum"), sum_of(f"{STATE}/bundle/SHA256SUMS")}
    if sum_of(PROGRAM) == ours:
        if present and sums != {offer["bundle"]}:
            module.exit_json(_wanted=["bundle"])
        return PROGRAM, f"{STATE}/bundle"
    machine = platform.machine()
    if offer and not machine.startswith(offer["machine"]):
        binary = module.params["binary"]
        module.fail_json(msg=f"could not run {binary}: it is built for {offer['machine']}, this host is {machine}")
    module.exit_json(_wanted=["binary", "bundle"] if present else ["binary"])


def unpacked(module, directory):
    """The program and the bundle of the payload; what was not brought is on the host."""
    with zipfile.ZipFile(module.params["_payload"]) as archive:
        archive.extractall(directory)
    brought = {name: os.path.join(directory, name) for name in os.listdir(directory)}
    if "binary" in brought:
        os.chmod(brought["binary"], 0o700)
    return brought.get("binary", PROGRAM), brought.get("bundle", f"{STATE}/bundle")


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


def work(module, program, bundle):
    path, descriptors = executable(module, program)
    present, brought = module.params["state"] == "present", module.params["_payload"]

    def installer(*verb, **known):
        command = [path, *(["--bundle", bundle] if present and verb != ("status",) else []), "--json", *verb]
        status, said, words = module.run_command(command, pass_fds=descriptors)
        try:
            if status in (0, 1):
                return json.loads(said)
        except ValueError:
            pass
        if verb == look and not brought:
            # What the host has may be damaged: what the controller brings decides.
            module.exit_json(_wanted=["binary", "bundle"] if present else ["binary"])
        words = (words or said).strip()
        module.fail_json(msg=words[7:] if words.startswith("error: ") else words, **known)

    apply = ("apply", "--cut-sessions") if module.params["cut_sessions"] else ("apply",)
    look, act = (("plan",), apply) if present else (("remove", "--dry-run"), ("remove",))
    answer = installer(*look)
    if answer["changed"] and not module.check_mode:
        answer = installer(*act)
    result = shown(module, answer)
    if present and not module.check_mode:
        status = installer("status", **result)
        if not (status["in_sync"] and status["healthy"]):
            findings = ["{kind} {target}: {detail}".format(**finding) for finding in status["findings"]]
            module.fail_json(msg="the host is not as it was applied: " + "; ".join(findings), **result)
    module.exit_json(**result)


def main():
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "bundle": {"type": "path"},
            "binary": {"type": "path", "required": True},
            "cut_sessions": {"type": "bool", "default": False},
            "_offer": {"type": "dict"},
            "_payload": {"type": "path"},
        },
        required_if=[("state", "present", ("bundle",))],
        supports_check_mode=True,
    )
    if not module.params["_payload"]:
        work(module, *on_host(module))
    # Not in a directory that Ansible would make for root: that one would stay.
    directory = tempfile.mkdtemp(dir=os.path.dirname(module.params["_payload"]))
    try:
        work(module, *unpacked(module, directory))
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
