//! Makes plugins of their sources: writes new ones from a template, finds the compilers of each language and
//! builds components. It knows nothing of running plugins.
