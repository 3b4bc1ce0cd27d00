//! The hub against naive models: the same random calls to both, and every answer compared.
//!
//! The models keep everything and search linearly; they share no code with what they check.

mod broadcasts;
mod calls;
mod facts;
mod filters;
mod forgetting;
mod hub;
mod log;
mod mesh;
mod naive_commands;
mod naive_filters;
mod naive_hub;
mod naive_tree;
mod scenes;
mod scope_tree;
mod targets;
