//! Lets the service find the Solace client library when it starts, if it is built with the feature `solace`.
//! Which library that is, and where, is decided by the build script of `actors/solace`.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Ok(folder) = std::env::var("DEP_SOLCLIENT_FOLDER") {
        // Beside the program first, so that both can be moved together.
        println!("cargo::rustc-link-arg=-Wl,-rpath,$ORIGIN:{folder}");
    }
}
