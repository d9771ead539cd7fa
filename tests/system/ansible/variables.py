"""Prints the role's variables as the table that the collection's README shows."""

import json
import sys
from pathlib import Path

import yaml

role = Path(sys.argv[1])
options = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
defaults = yaml.safe_load((role / "defaults/main.yml").read_text())
assert {name: option["default"] for name, option in options.items()} == defaults, "defaults/main.yml differs"

print("| variable | type | default | |\n|---|---|---|---|")
for name, option in options.items():
    kind = " or ".join(f"`{choice}`" for choice in option["choices"]) if "choices" in option else option["type"]
    kind = f"list of {option['elements']}" if kind == "list" else kind
    text = option["description"].replace("V(", "`").replace("C(", "`").replace(")", "`")
    default = option["default"]
    default = default if isinstance(default, str) and default else json.dumps(default)
    default = default.replace("|", "\\|")
    print(f"| `{name}` | {kind} | `{default}` | {text} |")
