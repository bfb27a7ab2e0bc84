"""A network as a shader: one file of passes for mpv and whatever else uses libplacebo."""
