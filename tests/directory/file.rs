//! The file of a directory that is alone.

use std::fs;

use footfall::directory::DirectoryError;
use rusqlite::Connection;

use crate::{Home, named, names, write_key};

fn said(result: Result<(), DirectoryError>) -> String {
    match result {
        Err(error @ DirectoryError::File { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn there_is_no_file_before_something_is_kept_in_it() {
    let home = Home::embedded();
    let mut keeper = home.keeper();
    keeper.refresh().await.unwrap();
    assert_eq!(names(&keeper), ["default"]);
    assert!(!home.file().exists());
    home.keeper().add_site(&named("shop"), None).await.unwrap();
    keeper.refresh().await.unwrap();
    assert_eq!(names(&keeper), ["default", "shop"]);
}

#[tokio::test]
async fn a_data_directory_is_made_for_the_first_site() {
    let mut home = Home::embedded();
    home.config.journal.data_dir = home.data.path().join("new/data");
    home.keeper().add_site(&named("shop"), None).await.unwrap();
    assert!(home.data.path().join("new/data/directory.sqlite").exists());
}

#[tokio::test]
async fn a_file_of_something_else_or_of_a_later_version_stays_as_it_is() {
    let home = Home::embedded();
    let foreign = Connection::open(home.file()).unwrap();
    foreign.execute_batch("CREATE TABLE sites (id TEXT)").unwrap();
    drop(foreign);
    let before = fs::read(home.file()).unwrap();
    assert!(said(home.keeper().refresh().await).contains("something else"));
    assert!(said(home.keeper().add_site(&named("shop"), None).await.map(drop)).contains("something else"));
    assert_eq!(fs::read(home.file()).unwrap(), before);

    let home = Home::embedded();
    home.keeper().add_site(&named("shop"), None).await.unwrap();
    Connection::open(home.file())
        .unwrap()
        .pragma_update(None, "user_version", 2)
        .unwrap();
    let text = said(home.keeper().refresh().await);
    assert!(text.contains("version 2") && text.contains("newer"), "{text}");
}

#[tokio::test]
async fn what_is_known_stays_when_the_file_is_damaged_or_gone_and_a_new_file_is_taken() {
    let home = Home::embedded();
    let mut keeper = home.keeper();
    keeper.add_site(&named("shop"), None).await.unwrap();
    let (new, _) = keeper.add_key(&write_key("shop")).await.unwrap();

    let remove = || {
        for end in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(home.data.path().join(format!("directory.sqlite{end}")));
        }
    };
    remove();
    assert!(said(keeper.refresh().await).contains("gone"));
    fs::write(home.file(), vec![7; 8_192]).unwrap();
    assert!(said(keeper.refresh().await).contains("not a database"));
    assert!(keeper.directory().key(&new.text, 0).is_some());

    remove();
    home.keeper().add_site(&named("blog"), None).await.unwrap();
    keeper.refresh().await.unwrap();
    assert_eq!(names(&keeper), ["blog", "default"]);
}

#[tokio::test]
async fn a_record_that_was_edited_by_hand_and_cannot_be_read_leaves_the_rest() {
    let home = Home::embedded();
    let mut keeper = home.keeper();
    keeper.add_site(&named("shop"), None).await.unwrap();
    keeper.add_site(&named("blog"), None).await.unwrap();
    let file = Connection::open(home.file()).unwrap();
    let edit = "UPDATE sites SET record = '{}' WHERE json_extract(record, '$.name') = 'blog'";
    assert_eq!(file.execute(edit, []).unwrap(), 1);
    let mut keeper = home.keeper();
    keeper.refresh().await.unwrap();
    assert_eq!(names(&keeper), ["default", "shop"]);
}
