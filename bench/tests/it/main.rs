//! Every command against a small fake server: seen to work where the fake is sound, and to fail, naming the culprit,
//! where it has a fault.

mod binary;
mod contract;
mod crash;
mod fake;
mod growth;
mod load;
mod measurements;
