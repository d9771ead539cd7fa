"""The controller's half: offers the bundle and the program by their sums, and brings what the host asks for."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile

from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

# e_machine in the ELF header (elf.h), as uname(2) begins to name it.
MACHINES = {21: "ppc64", 22: "s390x", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64"}


def sum_of(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


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
    return {os.path.relpath(path, bundle): path for path in paths}


def sum_of_bundle(bundle):
    """The sum over SHA256SUMS, or nothing where the files are not as it says: then the host is brought
    the bundle in any case, for the installer to refuse."""
    files = files_of(bundle)
    sums = files.pop("SHA256SUMS", None)
    lines = sorted(f"{sum_of(path)}  {name}\n" for name, path in files.items())
    if sums is None:
        return ""
    with open(sums, encoding="utf-8", errors="replace") as file:
        return sum_of(sums) if sorted(file) == lines else ""


class ActionModule(ActionBase):
    """Runs the module, and runs it again with a payload if that is what it wants."""

    TRANSFERS_FILES = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        _valid, options = self.validate_argument_spec(
            {
                "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                "bundle": {"type": "path"},
                "binary": {"type": "path", "required": True},
                "cut_sessions": {"type": "bool", "default": False},
            },
            required_if=[("state", "present", ("bundle",))],
        )
        options = {name: value for name, value in options.items() if value is not None}
        for name in {"bundle", "binary"} & options.keys():
            options[name] = os.path.normpath(self._loader.path_dwim(options[name]))
        result.update(self._on_host(options, {"_offer": self._offer(options)}, task_vars))
        wanted = result.pop("_wanted", None)
        if wanted:
            payload = {"_payload": self._bring(options, wanted)}
            result.update(self._on_host(options, payload, task_vars))
        return result

    def _on_host(self, options, more, task_vars):
        return self._execute_module("redisguard", {**options, **more}, task_vars=task_vars)

    def _offer(self, options):
        """What a host needs to know to tell whether it has all of it already."""
        binary, present = options["binary"], options["state"] == "present"
        if present and not os.path.isdir(options["bundle"]):
            raise AnsibleActionFail(
                f"could not use the bundle {options['bundle']}: there is no such directory; redisguard-gen writes one"
            )
        if not os.path.isfile(binary):
            if present:
                raise AnsibleActionFail(self._no_binary(binary))
            return {}  # What is installed on the host can remove itself.
        return {
            "binary": sum_of(binary),
            "machine": machine_of(binary),
            "bundle": sum_of_bundle(options["bundle"]) if present else "",
        }

    def _no_binary(self, binary):
        return f"could not use {binary}: there is no such file; build it with: cargo build --release"

    def _bring(self, options, wanted):
        """Packs what is wanted and copies it to the host's temporary directory, which goes with the task."""
        if "binary" in wanted and not os.path.isfile(options["binary"]):
            raise AnsibleActionFail(self._no_binary(options["binary"]))
        descriptor, local = tempfile.mkstemp(suffix=".zip", dir=C.DEFAULT_LOCAL_TMP)
        try:
            with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(
                file, "w", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False
            ) as archive:
                if "binary" in wanted:
                    archive.write(options["binary"], "binary")
                if "bundle" in wanted:
                    for name, path in files_of(options["bundle"]).items():
                        archive.write(path, os.path.join("bundle", name))
            directory = self._connection._shell.tmpdir or self._make_tmp_path()
            remote = self._connection._shell.join_path(directory, "payload.zip")
            self._transfer_file(local, remote)
            self._fixup_perms2((directory, remote), execute=False)
            return remote
        finally:
            os.unlink(local)
