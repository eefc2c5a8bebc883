"""The table of certificates: bad ones by category, good ones, and the ends that they are tried against."""
