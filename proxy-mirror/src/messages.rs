//! The message catalogue, in English and Japanese, that the window reads too.
