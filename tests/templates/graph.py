"""What refers to what inside a template."""

import graphlib
import re


def references(node):
    """Names of all parameters, resources and pseudo parameters that a part of a template refers to."""
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "Ref":
                yield value
            elif key == "Fn::GetAtt":
                yield value.split(".")[0] if isinstance(value, str) else value[0]
            elif key == "Fn::Sub":
                text, own = (value, {}) if isinstance(value, str) else value
                for name in re.findall(r"\$\{([^!}][^}]*)\}", text):
                    if name not in own:
                        yield name.split(".")[0]
                yield from references(own)
            elif key == "Fn::If":
                yield from references(value[1:])
            else:
                yield from references(value)


def dependencies(resources):
    """For each resource those that must be made before it."""
    depends = {}
    for name, resource in resources.items():
        named = resource.get("DependsOn", [])
        named = [named] if isinstance(named, str) else named
        used = set(references(resource.get("Properties", {}))) & set(resources)
        depends[name] = (used | set(named)) - {name}
    return depends


def order(resources):
    """An order in which they can be made. Raises graphlib.CycleError where there is none."""
    return list(graphlib.TopologicalSorter(dependencies(resources)).static_order())
