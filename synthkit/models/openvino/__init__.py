"""Local models by OpenVINO: small models fast on CPUs, without torch."""
