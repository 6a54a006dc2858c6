"""Holds values against botocore's shapes. Each function appends to `problems`, one line per misfit."""

import urllib.parse

NUMBERS = {"integer", "long"}
FLOATS = {"float", "double"}


def json_value(shape, value, path, problems):
    """A value of a JSON body."""
    kind = shape.type_name
    if kind == "structure":
        if not isinstance(value, dict):
            problems.append(f"{path}: {type(value).__name__} instead of a structure")
            return
        for name, member in value.items():
            if name not in shape.members:
                problems.append(f"{path}.{name}: not in the model ({shape.name})")
            else:
                json_value(shape.members[name], member, f"{path}.{name}", problems)
        required(shape, value, path, problems)
    elif kind == "list":
        if not isinstance(value, list):
            problems.append(f"{path}: {type(value).__name__} instead of a list")
            return
        for index, item in enumerate(value):
            json_value(shape.member, item, f"{path}[{index}]", problems)
    elif kind == "map":
        if not isinstance(value, dict):
            problems.append(f"{path}: {type(value).__name__} instead of a map")
            return
        for key, item in value.items():
            text(shape.key, key, f"{path}<key {key}>", problems)
            json_value(shape.value, item, f"{path}.{key}", problems)
    else:
        scalar(shape, value, path, problems)


def scalar(shape, value, path, problems):
    kind = shape.type_name
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    fits = {
        "boolean": isinstance(value, bool),
        "timestamp": number,
        "string": isinstance(value, str),
        "blob": isinstance(value, str),
    }
    fits.update({name: isinstance(value, int) and not isinstance(value, bool) for name in NUMBERS})
    fits.update({name: number for name in FLOATS})
    if not fits.get(kind, False):
        problems.append(f"{path}: {value!r} is no {kind}")
    elif kind == "string":
        text(shape, value, path, problems)


def text(shape, value, path, problems):
    enum = getattr(shape, "enum", None)
    if enum and value not in enum:
        problems.append(f"{path}: {value!r} is not among {', '.join(enum)}")


def required(shape, present, path, problems):
    for name in shape.required_members:
        if name not in present:
            problems.append(f"{path}.{name}: required, but absent")


def xml_value(shape, node, path, problems):
    """An element of an XML answer."""
    kind = shape.type_name
    if kind == "structure":
        members = {element(member, name): (name, member) for name, member in shape.members.items()}
        seen = set()
        for child in node:
            tag = local(child)
            if tag not in members:
                problems.append(f"{path}.{tag}: not in the model ({shape.name})")
                continue
            name, member = members[tag]
            seen.add(name)
            xml_value(member, child, f"{path}.{name}", problems)
        required(shape, seen, path, problems)
    elif kind == "list":
        item = shape.member.serialization.get("name", "member")
        for index, child in enumerate(node):
            if local(child) != item:
                problems.append(f"{path}[{index}]: element <{local(child)}> instead of <{item}>")
            else:
                xml_value(shape.member, child, f"{path}[{index}]", problems)
    else:
        xml_scalar(shape, node.text or "", path, problems)


def xml_scalar(shape, value, path, problems):
    kind = shape.type_name
    if kind == "boolean" and value not in ("true", "false"):
        problems.append(f"{path}: {value!r} is no boolean")
    elif kind in NUMBERS and not value.lstrip("-").isdigit():
        problems.append(f"{path}: {value!r} is no {kind}")
    elif kind == "timestamp" and "T" not in value:
        problems.append(f"{path}: {value!r} is no ISO time")
    elif kind == "string":
        text(shape, value, path, problems)


def local(node):
    return node.tag.rsplit("}", 1)[-1]


def element(member, name):
    """The element or parameter that a member is written as. A list's own name may stand on its flattened items."""
    return member.serialization.get("name", name)


def form(model, operation, body, path, problems):
    """A form body, of awsQuery or ec2Query."""
    shape = operation.input_shape
    ec2 = model.metadata["protocol"] == "ec2"
    seen = set()
    for key, value in urllib.parse.parse_qsl(body, keep_blank_values=True):
        if key in ("Action", "Version"):
            continue
        parts = key.split(".")
        seen.add(parts[0])
        found = shape and walk(shape, parts, ec2)
        if not found:
            problems.append(f"{path}.{key}: not in the model")
        elif found.type_name not in ("structure", "list", "map"):
            xml_scalar(found, value, f"{path}.{key}", problems)
    for name in shape.required_members if shape else []:
        if parameter(shape.members[name], name, ec2) not in seen:
            problems.append(f"{path}.{name}: required, but absent")


def parameter(member, name, ec2):
    if ec2:
        wire = member.serialization.get("queryName") or element(member, name)
        return wire[0].upper() + wire[1:]
    return element(member, name)


def walk(shape, parts, ec2):
    """The shape that a dotted parameter name leads to."""
    while parts:
        if shape.type_name == "structure":
            names = {parameter(member, name, ec2): member for name, member in shape.members.items()}
            if parts[0] not in names:
                return None
            shape, parts = names[parts[0]], parts[1:]
        elif shape.type_name == "list":
            if not ec2 and parts[0] == "member":
                parts = parts[1:]
            if not parts or not parts[0].isdigit():
                return None
            shape, parts = shape.member, parts[1:]
        else:
            return None
    return shape
