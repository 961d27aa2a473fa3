"""The control plane of a mesh network: accounts, nodes, a marketplace, billing and governance."""
