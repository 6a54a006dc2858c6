//! The `sidestep` command. Everything is in the library; see its map.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    sidestep::cli::main()
}
