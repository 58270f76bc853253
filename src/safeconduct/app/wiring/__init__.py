"""The services wired over their ports: a module for each group, the later on the earlier."""
