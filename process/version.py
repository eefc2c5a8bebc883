"""The version of this build, read from the installed distribution."""

from importlib import metadata

VERSION = metadata.version("jackstay")
