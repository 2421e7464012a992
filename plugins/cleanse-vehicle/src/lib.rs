//! A plugin.
