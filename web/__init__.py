"""The dashboard: server-rendered pages whose state is the address, and live events."""
