//! Templates of packs, parsed once.
