//! What data cannot say about a provider, one file each.
