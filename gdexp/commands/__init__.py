"""What the front door's words do: one file a command, with `main(arguments) -> exit code`."""
