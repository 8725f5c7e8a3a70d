"""The only place that imports model libraries, audio decoders and model files."""
