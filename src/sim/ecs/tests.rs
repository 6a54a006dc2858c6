//! Behaviour of the compute side.
