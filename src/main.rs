//! The `sidestep` command. Everything is in the library; see its map.

fn main() -> std::process::ExitCode {
    sidestep::cli::main()
}
