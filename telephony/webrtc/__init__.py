"""A browser as one end of a call: WebRTC by aiortc, in a thread and event loop of its own."""
