//! A crash at every step of a run: what was acknowledged is there, and nothing that was not appended.
use holdline::journal::{Change, Entry};

use super::disk::{Crash, SimulatedDisk};
use super::world::{CHECKPOINT, Model, all, answer, doubt, entry, log, start, submitted};

/// Three exchanges side by side; each wave is appended at once.
fn script() -> Vec<Vec<Entry>> {
    let accepted = |task: &str| Change::Accepted(task.into());
    vec![
        vec![entry(1, 0, submitted(1, true))],
        vec![
            entry(2, 0, submitted(2, false)),
            entry(1, 1, accepted("task-1")),
        ],
        vec![
            entry(3, 0, submitted(3, true)),
            entry(2, 1, accepted("task-2")),
            entry(1, 2, Change::Candidate(Some(answer(1, 2, 300)))),
        ],
        vec![
            entry(1, 3, Change::Candidate(Some(answer(1, 3, 9_000)))),
            entry(3, 1, doubt()),
        ],
        vec![
            entry(1, 4, Change::Completed(Some(answer(1, 4, 2_000)))),
            entry(3, 2, Change::Resubmitted(1)),
        ],
        vec![
            entry(1, 5, Change::Delivered),
            entry(2, 2, Change::Completed(Some(answer(2, 2, 700)))),
            entry(3, 3, accepted("task-3")),
        ],
        vec![entry(3, 4, Change::Closed(Some("paid in cash".into())))],
    ]
}

/// Runs the script until its end or the process's; what was appended and acknowledged till then.
async fn play(disk: &SimulatedDisk) -> Model {
    let mut model = Model::default();
    let Ok(running) = start(disk) else {
        return model;
    };
    for (number, wave) in script().into_iter().enumerate() {
        let mut under_way = Vec::new();
        for entry in wave {
            model.appended(&entry);
            under_way.push((running.journal.append(entry.clone()), entry));
        }
        for (appending, entry) in under_way {
            if appending.await.is_ok() {
                model.acknowledged(&entry);
            }
        }
        if disk.is_dead() {
            break;
        }
        // The file takes in what the log holds, which begins anew, twice.
        if number == 2 || number == 4 {
            tokio::time::sleep(CHECKPOINT).await;
        }
    }
    model
}

/// Plays the script, has the process end at `step` or at the script's end, and looks at what a new
/// start finds.
async fn crashed(prepare: impl Fn(&SimulatedDisk), step: Option<u64>, crash: Crash) -> Vec<String> {
    let disk = SimulatedDisk::default();
    prepare(&disk);
    if let Some(step) = step {
        disk.dies_at(step);
    }
    let model = play(&disk).await;
    disk.crash(crash);
    match start(&disk) {
        Ok(running) => model.faults(&all(&running.journal).await),
        Err(error) => vec![format!("it does not start: {error}")],
    }
}

async fn steps() -> u64 {
    let disk = SimulatedDisk::default();
    play(&disk).await;
    disk.steps()
}

const WAYS: [Crash; 4] = [
    Crash::Kill,
    Crash::Power(1),
    Crash::Power(2),
    Crash::Power(3),
];

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_step_loses_nothing_that_was_acknowledged() {
    let steps = steps().await;
    assert!(steps > 100, "only {steps} steps");
    for step in 0..steps {
        for way in WAYS {
            let faults = crashed(|_| {}, Some(step), way).await;
            assert!(
                faults.is_empty(),
                "step {step} of {steps}, {way:?}: {faults:#?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_and_its_crash_are_the_same_for_the_same_seed() {
    assert_eq!(steps().await, steps().await);
    let run = |seed| async move {
        let disk = SimulatedDisk::default();
        disk.dies_at(60);
        play(&disk).await;
        disk.crash(Crash::Power(seed));
        let found = start(&disk).map(|running| running.found.clone());
        found.map_err(|error| error.to_string())
    };
    for seed in 0..8 {
        assert_eq!(run(seed).await, run(seed).await);
    }
}

/// The checker is believed only because it finds these.
#[tokio::test(start_paused = true)]
async fn a_disk_whose_sync_of_a_file_does_nothing_is_found_out() {
    let mut found = 0;
    for seed in 0..16 {
        let faults = crashed(SimulatedDisk::lies_about_files, None, Crash::Power(seed)).await;
        found += usize::from(!faults.is_empty());
    }
    assert!(found > 0);
}

#[tokio::test(start_paused = true)]
async fn a_sync_of_the_log_that_does_nothing_is_found_out() {
    let mut found = 0;
    for seed in 0..16 {
        let faults = crashed(|disk| disk.lies_about(&log()), None, Crash::Power(seed)).await;
        found += usize::from(!faults.is_empty());
    }
    assert!(found > 0);
}

#[tokio::test(start_paused = true)]
async fn a_disk_whose_sync_of_a_directory_does_nothing_is_found_out() {
    let mut found = 0;
    for seed in 0..16 {
        let faults = crashed(SimulatedDisk::lies_about_names, None, Crash::Power(seed)).await;
        found += usize::from(!faults.is_empty());
    }
    assert!(found > 0);
}

#[tokio::test(start_paused = true)]
async fn a_crash_while_the_journal_is_opened_again_loses_nothing() {
    let disk = SimulatedDisk::default();
    let model = play(&disk).await;
    disk.crash(Crash::Kill);
    let before = disk.steps();
    drop(start(&disk).unwrap());
    let steps = disk.steps() - before;
    for step in 0..steps {
        for way in WAYS {
            disk.crash(Crash::Kill);
            disk.dies_at(disk.steps() + step);
            drop(start(&disk));
            disk.crash(way);
            let running = start(&disk).unwrap();
            let faults = model.faults(&all(&running.journal).await);
            assert!(
                faults.is_empty(),
                "step {step} of {steps}, {way:?}: {faults:#?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_closed_in_order_is_found_whole() {
    let disk = SimulatedDisk::default();
    let mut model = Model::default();
    {
        let running = start(&disk).unwrap();
        for entry in script().into_iter().flatten() {
            model.appended(&entry);
            model.acknowledged(&entry);
            // Nobody waits for it: closing does.
            drop(running.journal.append(entry));
        }
        running.journal.close().await;
        let late = running.journal.append(entry(1, 6, Change::Closed(None)));
        assert!(late.await.is_err());
        assert!(!running.journal.is_up());
    }
    disk.crash(Crash::Power(1));
    let running = start(&disk).unwrap();
    assert_eq!(
        model.faults(&all(&running.journal).await),
        Vec::<String>::new()
    );
    // What has ended is given too: no search may take its transaction.
    assert_eq!(running.found.len(), 3);
    assert!(running.journal.begin().0 > 3);
}
