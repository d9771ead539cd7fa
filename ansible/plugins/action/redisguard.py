"""The controller's half: offers the bundle and the programs by their sums, brings what the host asks for,
and confirms a change over a new connection."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import tarfile
import tempfile
import time
import zipfile

from ansible import constants as C
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

# e_machine in the ELF header (elf.h), as uname(2) begins to name it.
MACHINES = {3: "i686", 21: "ppc64", 22: "s390x", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
SUMS = "SHA256SUMS"
ARCHIVE = b"!<arch>\n"
PACKAGED = "/usr/sbin/redisguard-install"
OPTIONS = {
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
}
REQUIRED = [("state", "present", ("bundle",)), ("state", "probed", ("bundle", "hosts"))]


def contents(path):
    with open(path, "rb") as file:
        return file.read()


def sum_of(text):
    return hashlib.sha256(text).hexdigest()


def kept(what, make):
    """A file of this run, the same for all hosts: the first of the forks that needs it makes it."""
    place = os.path.join(C.DEFAULT_LOCAL_TMP, f"redisguard-{sum_of(repr(what).encode())}")
    with open(f"{place}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(place):
            descriptor, new = tempfile.mkstemp(dir=C.DEFAULT_LOCAL_TMP)
            with os.fdopen(descriptor, "wb") as file:
                make(file)
            os.replace(new, place)
    return place


def identity(path):
    look = os.stat(path)
    return path, look.st_ino, look.st_size, look.st_mtime_ns


def sum_of_binary(path):
    same = ("sum", identity(path))
    return contents(kept(same, lambda file: file.write(sum_of(contents(path)).encode()))).decode()


def is_package(path):
    with open(path, "rb") as file:
        return file.read(len(ARCHIVE)) == ARCHIVE


def program_of(path):
    """The program itself, or the one that a Debian package brings."""
    return kept(("program", identity(path)), lambda file: file.write(packaged(path))) if is_package(path) else path


def packaged(path):
    """The program in a package: an archive (ar(5)) with a tar in it (deb(5))."""
    text, at = contents(path), len(ARCHIVE)
    try:
        while True:
            name, size, data = text[at : at + 16], int(text[at + 48 : at + 58]), at + 60
            if name.startswith(b"data.tar"):
                break
            at = data + size + size % 2
        with tarfile.open(fileobj=io.BytesIO(text[data : data + size])) as files:
            return files.extractfile(f".{PACKAGED}").read()
    except (KeyError, ValueError, tarfile.TarError) as error:
        raise AnsibleActionFail(f"could not use {path}: it is no Debian package that brings {PACKAGED}") from error


def machine_of(binary):
    with open(binary, "rb") as file:
        header = file.read(20)
    if len(header) < 20 or header[:4] != b"\x7fELF":
        raise AnsibleActionFail(f"could not use {binary}: it is no Linux program")
    number = int.from_bytes(header[18:20], "little" if header[5] == 1 else "big")
    return MACHINES.get(number, f"ELF machine {number}")


def files_of(bundle):
    """Every file of the bundle, by its path in it."""
    paths = [os.path.join(directory, name) for directory, _below, names in os.walk(bundle) for name in names]
    return {os.path.relpath(path, bundle): contents(path) for path in paths}


def sum_of_bundle(files):
    """The sum over SHA256SUMS, and what is not as it says. The installer looks again, on the host."""
    listed = files.get(SUMS, b"").decode("utf-8", "replace").splitlines()
    listed = {line[66:]: line[:64] for line in listed}
    wrong = [f"{name} is missing" for name in listed.keys() - files.keys()]
    wrong += [f"{name} was altered" for name in listed.keys() & files.keys() if sum_of(files[name]) != listed[name]]
    wrong += [f"{name} is not listed in {SUMS}" for name in files.keys() - listed.keys() - {SUMS}]
    return sum_of(files.get(SUMS, b"")), sorted(wrong) if listed else [f"it has no {SUMS}"]


def pinned(path, found, allowed):
    allowed = [pin.lower() for pin in allowed if pin]
    if allowed and found not in allowed:
        raise AnsibleActionFail(f"could not use {path}: its SHA-256 is {found}, wanted is {' or '.join(allowed)}")


class ActionModule(ActionBase):
    """Runs the module to look, and again to change what is to be changed."""

    # A temporary directory is made where something is brought, not for every look.
    TRANSFERS_FILES = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        _valid, options = self.validate_argument_spec(OPTIONS, required_if=REQUIRED)
        self._options = {name: value for name, value in options.items() if value is not None}
        self._options["binary"] = [self._local(path) for path in options["binary"]]
        if options["bundle"]:
            self._options["bundle"] = self._local(options["bundle"])
        self._task_vars = task_vars
        self._offered = self._offer()
        result.update(self._on_host(_offer=self._offered))
        wanted, machine, left = (result.pop(name, None) for name in ("_wanted", "_machine", "_left"))
        if wanted is not None and not options["look"]:
            if "confirm_by" not in result:
                package = "binary" in wanted and machine in self._offered["packaged"] and options["state"] == "present"
                payload = self._bring(wanted, machine, package and not self._task.check_mode) if wanted else ""
                result.update(self._change(payload, package))
            by, left = result.get("confirm_by"), result.pop("_left", left)
            if by and result.get("failed"):
                result["msg"] += f"; the host goes back by itself at {by}"
            elif by and not self._task.check_mode:
                result.update(self._confirm(by, left))
        source = self._options["bundle"] if options["state"] != "absent" else ""
        return {**result, "source": source, "address": options["address"]}

    def _local(self, path):
        return os.path.normpath(self._loader.path_dwim(path))

    def _on_host(self, **more):
        # As the task names it: with the collection's name, or found in place without one.
        arguments = {**self._options, **more}
        return self._execute_module(self._task.action, arguments, task_vars=self._task_vars)

    def _offer(self):
        """What a host needs to know to tell whether it has all of it already."""
        options, offer, self._binaries = self._options, {"binaries": {}, "packaged": []}, {}
        for path in options["binary"]:
            if not os.path.isfile(path):
                if options["state"] == "absent":
                    continue  # What is installed on the host can remove itself.
                raise AnsibleActionFail(
                    f"could not use {path}: there is no such file; build it with: cargo build --release"
                )
            program = program_of(path)
            machine = machine_of(program)
            other = self._binaries.setdefault(machine, path)
            if other != path:
                raise AnsibleActionFail(f"could not use both {other} and {path}: both are built for {machine}")
            offer["binaries"][machine] = sum_of_binary(program)
            offer["packaged"] += [machine] if program != path else []
            pinned(path, sum_of_binary(path), options["binary_sha256"])
        if options["state"] != "absent":
            bundle = options["bundle"]
            if not os.path.isdir(bundle):
                raise AnsibleActionFail(
                    f"could not use the bundle {bundle}: there is no such directory; redisguard-gen writes one"
                )
            offer["bundle"], wrong = sum_of_bundle(files_of(bundle))
            if wrong:
                raise AnsibleActionFail(
                    f"could not use the bundle {bundle}: {', '.join(wrong)}; take the bundle that was reviewed"
                )
            pinned(os.path.join(bundle, SUMS), offer["bundle"], [options["bundle_sha256"]])
        return offer

    def _change(self, payload, package):
        try:
            return self._on_host(_act=True, _payload=payload, _package=package)
        except AnsibleConnectionFailure as error:
            if self._task.check_mode or self._options["state"] == "probed":
                raise
            # An unreachable host does not stop a roll-out; one that is lost in a change must.
            window = self._options["confirm"]
            after = f"it goes back by itself within {window}" if window else "look at what it is like"
            return {"failed": True, "msg": f"the host was lost while it was changed ({error}); {after}"}
        finally:
            # It has removed it, so that nobody need log in for that.
            self._connection._shell.tmpdir = None

    def _confirm(self, by, seconds):
        """Over a new connection: whoever can log in and become root now still can after the change."""
        until = time.monotonic() + seconds
        while True:
            try:
                self._connection.reset()
                return self._on_host(_confirm=True)
            except AnsibleConnectionFailure as error:
                if time.monotonic() < until:
                    time.sleep(1)
                    continue
                return {"failed": True, "msg": f"could not log in anew ({error}); the host goes back by itself at {by}"}

    def _bring(self, wanted, machine, package):
        """Copies what is wanted to the host's temporary directory, which goes with the task: the program in its
        package only where that is to be installed."""
        offered, options = self._offered, self._options
        binary = self._binaries.get(machine)
        if "binary" in wanted and not binary:
            raise AnsibleActionFail(f"could not use {', '.join(options['binary'])}: there is no such file")

        def pack(file):
            parts, same = {}, True
            if "binary" in wanted:
                program = program_of(binary)
                same = sum_of_binary(program) == offered["binaries"][machine]
                parts = {"package": contents(binary)} if package else {"binary": contents(program)}
            if "bundle" in wanted:
                files = files_of(options["bundle"])
                same = same and sum_of_bundle(files) == (offered["bundle"], [])
                parts.update((f"bundle/{name}", text) for name, text in files.items())
            if not same:
                raise AnsibleActionFail("the program or the bundle was replaced during the run: run again")
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, part in parts.items():
                    archive.writestr(name, part)

        local = kept(("payload", wanted, machine, package, options.get("bundle"), offered), pack)
        directory = self._connection._shell.tmpdir or self._make_tmp_path()
        remote = self._connection._shell.join_path(directory, "payload.zip")
        self._transfer_file(local, remote)
        self._fixup_perms2((directory, remote), execute=False)
        return remote
