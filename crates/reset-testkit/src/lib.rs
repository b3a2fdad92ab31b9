//! Test support for polyreset: in-memory adapters for the ports of `reset-core`, and the contract of its `Store` port.
//!
//! [`memory`] has a store, a mailer, a clock that only tests move and entropy that is determined by a seed. The store
//! passes the same [`contract`] suite as SQLite, PostgreSQL and MariaDB.
//!
//! ```
//! use reset_core::ports::Clock as _;
//! use reset_testkit::memory::Memory;
//!
//! let memory = Memory::new(7);
//! let before = memory.clock.now();
//! memory.clock.advance(std::time::Duration::from_secs(60));
//! assert_eq!(memory.clock.now().since(before).as_secs(), 60);
//! ```

pub mod contract;
pub mod memory;
pub mod model;
