//! The `moodring` command. Exit codes: 0 ok, 1 failed, 2 wrong usage or configuration, 75 restart requested.

use std::process::ExitCode;

use clap::Parser;
use moodring::cli::Cli;
use zeroizing_alloc::ZeroAlloc;

/// Zeroes memory when it is freed, so that no picture stays in it.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<std::alloc::System> = ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    Cli::parse().run()
}
