"""What the command line does: one module a command, each with add(commands), which names the function that runs it."""
