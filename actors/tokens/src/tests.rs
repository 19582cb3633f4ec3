//! Tokens that are good, tokens of every attack that we know, and the keeper under a stopped clock.
//! Keys are made at test time; none stands in the repository.

mod attacks;
mod claims;
mod fetching;
mod issuer;
mod keeping;
mod key_sets;
mod random;
mod roles;
mod settings;
mod web;
