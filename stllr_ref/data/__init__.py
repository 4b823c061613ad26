"""Data sets: embedded ones made in memory from a seed, recorded ones read from disk; nothing is ever downloaded."""
