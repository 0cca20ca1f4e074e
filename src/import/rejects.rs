//! The file of lines that can be no event: the number of each, why, and the line.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// What a file of rejects begins with; the import's name follows.
const HEAD: &str = "# footfall import ";

/// The rejects of an import. The file is made with the first of them.
#[derive(Debug)]
pub struct Rejects {
    path: PathBuf,
    name: String,
    file: Option<File>,
    /// Lines up to here are in it.
    last: u64,
    /// How many were added.
    pub added: u64,
}

impl Rejects {
    /// Goes on with a file, or begins one when it is needed.
    ///
    /// # Errors
    /// It cannot be read, or belongs to something else.
    pub fn open(path: &Path, name: &str) -> io::Result<Self> {
        let mut rejects = Self {
            path: path.into(),
            name: name.into(),
            file: None,
            last: 0,
            added: 0,
        };
        let mut found = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(rejects),
            found => BufReader::new(found?),
        };
        let mut line = Vec::new();
        if found.read_until(b'\n', &mut line)? == 0 {
            return Ok(rejects);
        }
        if line.trim_ascii_end() != format!("{HEAD}{name}").as_bytes() {
            let what = "it is there already and does not belong to this import; name another one with --rejects";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
        }
        // A run that was killed may have left half a line, which has no end and is added again.
        let mut is_whole = line.ends_with(b"\n");
        line.clear();
        while found.read_until(b'\n', &mut line)? > 0 {
            is_whole = line.ends_with(b"\n");
            let number = line.split(|&byte| byte == b'\t').next();
            let number = number.and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
            rejects.last = rejects.last.max(number.filter(|_| is_whole).unwrap_or(0));
            line.clear();
        }
        let mut file = OpenOptions::new().append(true).open(path)?;
        if !is_whole {
            file.write_all(b"\n")?;
        }
        rejects.file = Some(file);
        Ok(rejects)
    }

    /// Adds lines with their numbers and what is wrong with them, in order, unless they are there.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add<'l>(&mut self, lines: impl Iterator<Item = (u64, &'l str, &'l [u8])>) -> io::Result<()> {
        let mut text = Vec::new();
        let before = self.last;
        for (number, why, line) in lines.filter(|(number, ..)| *number > before) {
            write!(text, "{number}\t{why}\t")?;
            text.extend_from_slice(line.trim_ascii_end());
            text.push(b'\n');
            self.last = number;
            self.added += 1;
        }
        if text.is_empty() {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            place => {
                let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
                writeln!(file, "{HEAD}{}", self.name)?;
                place.insert(file)
            }
        };
        file.write_all(&text)
    }

    /// Where they are.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(rejects: &mut Rejects, lines: &[(u64, &str)]) {
        rejects
            .add(lines.iter().map(|(number, line)| (*number, "why", line.as_bytes())))
            .unwrap();
    }

    #[test]
    fn a_line_is_there_once_whoever_adds_it_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rejects");
        let mut rejects = Rejects::open(&path, "a").unwrap();
        add(&mut rejects, &[]);
        assert!(!path.exists());
        add(&mut rejects, &[(3, "three\r"), (7, "se\tven")]);
        let mut again = Rejects::open(&path, "a").unwrap();
        add(&mut again, &[(3, "three"), (7, "seven"), (9, "nine")]);
        assert_eq!((rejects.added, again.added), (2, 1));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "# footfall import a\n3\twhy\tthree\n7\twhy\tse\tven\n9\twhy\tnine\n"
        );
        assert!(Rejects::open(&path, "b").is_err());

        std::fs::write(&path, &text[..text.len() - 3]).unwrap();
        let mut after_a_kill = Rejects::open(&path, "a").unwrap();
        add(&mut after_a_kill, &[(7, "seven"), (9, "nine")]);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with("7\twhy\tse\tven\n9\twhy\tni\n9\twhy\tnine\n"), "{text}");
    }
}
