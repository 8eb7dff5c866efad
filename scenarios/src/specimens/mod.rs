//! Defective services. Each reproduces the pattern of one production defect and nothing else; the scenario that convicts
//! it acquits the real service under the same plan.

pub mod send_counts_as_delivered;
