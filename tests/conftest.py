"""What holds for all tests."""

from hypothesis import settings

# A machine may be busy: an example that takes long is no failure.
settings.register_profile("jackstay", deadline=None, print_blob=True)
settings.load_profile("jackstay")
