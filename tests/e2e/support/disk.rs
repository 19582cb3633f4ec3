//! A real file system that is small enough to be filled.
//! Needs the right to mount a tmpfs; without it the test fails and says so.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A tmpfs that goes away with this value.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// With so many megabytes: the stores preallocate some files, so a hundred are soon gone.
    pub fn mount(folder: &Path, megabytes: u32) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let options = format!("size={megabytes}m,mode=0777");
        let done = as_root("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", folder.to_str().unwrap()]);
        assert!(done, "cannot mount a tmpfs: run the tests as root or with a sudo that asks for no password");
        Self { folder: folder.to_owned() }
    }

    /// Where it is mounted.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    /// Takes what is left, to the last byte.
    pub fn fill(&self) {
        let mut file = File::create(self.ballast()).unwrap();
        for piece in [1 << 20, 1 << 12, 1] {
            let bytes = vec![0; piece];
            while file.write_all(&bytes).is_ok() {}
        }
    }

    /// Gives so many bytes of it back.
    pub fn leave(&self, bytes: u64) {
        let file = File::options().write(true).open(self.ballast()).unwrap();
        let size = file.metadata().unwrap().len();
        file.set_len(size.saturating_sub(bytes)).unwrap();
    }

    /// Gives it back.
    pub fn make_room(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the service may still hold its files when a test fails.
        as_root("umount", &["--lazy", self.folder.to_str().unwrap()]);
    }
}

fn as_root(program: &str, arguments: &[&str]) -> bool {
    let direct = Command::new(program).args(arguments).status().is_ok_and(|status| status.success());
    direct || Command::new("sudo").args(["-n", program]).args(arguments).status().is_ok_and(|status| status.success())
}
