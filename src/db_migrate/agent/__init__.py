"""For coding agents: the MCP server, and the skill that tells how to use the commands."""
