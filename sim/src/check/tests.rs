//! Each checker fails where it must.
