"""Tables of chapters/family.md that come from the library: `python tests/pages.py` prints them."""

from stllr_ref.experiments.family import FAMILY


def family_table():
    """Return the family as a Markdown table, a row a member."""
    head = "| `--rules` | change of a hidden weight at a step of the window | source |\n| --- | --- | --- |\n"
    return head + "\n".join(f"| {name} | {m.update.replace('|', '&#124;')} | {m.source} |" for name, m in FAMILY.items())


def family_differences():
    """Return a Markdown list of what differs from the sources."""
    return "\n".join(f"- {name}: {m.differs}." for name, m in FAMILY.items() if m.differs)


if __name__ == "__main__":
    print(family_table(), family_differences(), sep="\n\n")
