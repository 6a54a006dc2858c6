//! The table of texts, in the order of the verbs.

use super::{Example, Text};

const fn example(purpose: &'static str, command: &'static str) -> Example {
    Example { purpose, command }
}

/// Every verb's.
pub(super) const TEXTS: &[Text] = &[
    Text {
        verb: "plan",
        paragraphs: &[
            "It reads the account with a client that cannot change anything, and shows what would be created, changed and removed, \
             stage by stage, with the findings that stand in the way. Nothing is written, but for the file of --out.",
            "Exit codes: 0 when a run could begin, 4 when findings block it.",
        ],
        examples: &[
            example("Show what a run would do", "sidestep plan --var-file terraform.tfvars"),
            example(
                "Seal the plan, to carry out exactly this one later",
                "sidestep plan --var-file terraform.tfvars --out migration.plan",
            ),
            example("Read the plan with another program", "sidestep plan --var-file terraform.tfvars --output json"),
        ],
    },
    Text {
        verb: "run",
        paragraphs: &[
            "It plans, shows the plan, asks, and then works through the stages. Every step is journaled in the state directory before \
             its call leaves and when its outcome is known, so that a run can be paused, taken up after a crash, and rolled back.",
            "Exit codes: 0 when every stage is done, 4 when findings block the plan, 5 when it stopped on a failure or drift, 6 when it \
             is paused, 7 when it was rolled back on the way, 9 when another operator holds the run or a service of it.",
        ],
        examples: &[
            example(
                "Try it on a simulated AWS loaded with this account; nothing is changed",
                "sidestep run --dry-run --var-file terraform.tfvars",
            ),
            example(
                "Carry the migration out, and stop before the sidecar goes",
                "sidestep run --var-file terraform.tfvars --pause-before strip-sidecar",
            ),
            example("Carry out a sealed plan from CI", "sidestep run --plan migration.plan --yes --output json"),
        ],
    },
    Text {
        verb: "resume",
        paragraphs: &[
            "It looks at AWS first: what was under way when the run stopped is done, not done, or changed by others, and never sent again \
             blindly. Then the plan that was agreed to goes on. A variable or runbook given here amends it: the new plan is shown and \
             asked for before anything is done.",
            "Exit codes are those of `run`.",
        ],
        examples: &[
            example("Go on with the unfinished run", "sidestep resume"),
            example("Go on with a repaired value", "sidestep resume r7k2 --var-file repaired.tfvars"),
            example("Take the run from a laptop that went to sleep", "sidestep resume r7k2 --take-over --reason 'bastion hangs'"),
        ],
    },
    Text {
        verb: "rollback",
        paragraphs: &[
            "It plans the way back from what the journal recorded before each change, shows it, asks, and undoes it in reverse order. It \
             never deletes what the run did not create or what somebody else uses now. A live run is asked to go back by itself.",
            "Exit codes: 0 when the run is rolled back, 5 when the way back stopped and can be resumed, 8 when it is stuck and a person must act.",
        ],
        examples: &[
            example("Go back to the start", "sidestep rollback r7k2"),
            example("Undo what came after the name was registered", "sidestep rollback r7k2 --to register-dns"),
            example(
                "Leave what resists, and undo the rest",
                "sidestep rollback r7k2 --skip STEP --reason 'the network team keeps the name'",
            ),
        ],
    },
    Text {
        verb: "pause",
        paragraphs: &[
            "The process that works on the run finishes the calls in flight, leaves its waits, and ends with exit code 6. It may run in another \
             terminal or on another machine that shares the state directory.",
        ],
        examples: &[example("Pause the live run", "sidestep pause")],
    },
    Text {
        verb: "hold-before",
        paragraphs: &[
            "The run ends with exit code 6 when it comes to the stage, and goes on from there with `sidestep resume`. A live run is told, one that \
             stands still has it noted. A stage that the run has reached already cannot be held any more.",
        ],
        examples: &[
            example("Stop before the sidecar goes", "sidestep hold-before strip-sidecar"),
            example("Let it go on after all", "sidestep hold-before strip-sidecar r7k2 --lift"),
        ],
    },
    Text {
        verb: "approve",
        paragraphs: &[
            "A step that cannot prove what it must, such as that spans arrive, waits for a person. Approving it is journaled with who said so, \
             when and why. A live run goes on by itself, a paused one with `sidestep resume`.",
        ],
        examples: &[example(
            "Say that traces were seen in the UI",
            "sidestep approve r7k2 --comment 'traces of the API are in the UI since 14:02'",
        )],
    },
    Text {
        verb: "abandon",
        paragraphs: &[
            "The run ends as it stands: nothing in AWS is changed but its claims, which are taken away. It cannot be resumed or rolled back \
             afterwards.",
        ],
        examples: &[example(
            "Give the run up, and say why",
            "sidestep abandon r7k2 --reason 'moved by hand, see the change ticket'",
        )],
    },
    Text {
        verb: "status",
        paragraphs: &[
            "It reads the journal: each stage with its state, what is in the way, and the next command. With --watch it follows a live run on the \
             same screen, read-only. AWS is asked only with --live.",
        ],
        examples: &[
            example("Show where the unfinished run stands", "sidestep status"),
            example("Follow it from another terminal", "sidestep status --watch"),
            example("Read it with another program", "sidestep status r7k2 --output json"),
        ],
    },
    Text {
        verb: "runs",
        paragraphs: &[
            "It reads the journal in the state directory: every run, the newest first, and who holds it. Of several options a run must fit \
             all; what they keep out is counted.",
        ],
        examples: &[
            example("List the runs of a shared state directory", "sidestep runs --state /srv/sidestep"),
            example("List what stopped or is stuck since last week", "sidestep runs --status stopped --status stuck --since 7d"),
        ],
    },
    Text {
        verb: "report",
        paragraphs: &[
            "It reads the journal and asks nobody: the stages with their durations against the prediction, what each resource was and is, every \
             change with AWS's identifiers and request id, what stands and how it is taken back, who decided what, findings, plans and a timeline.",
            "The page needs no network and runs no script. Parameters of steps and values of other environment variables are in no form.",
        ],
        examples: &[
            example("Read it in a terminal", "sidestep report r7k2"),
            example("Attach it to a change ticket", "sidestep report r7k2 --format html --out r7k2.html"),
            example("Read it with another program", "sidestep report r7k2 --output json"),
        ],
    },
    Text {
        verb: "doctor",
        paragraphs: &[
            "It needs no run: it reads what the runbook is about, with a client that can't change anything, and answers why the shared service does \
             not start, why the applications don't reach it, and why its target group has no healthy target. The likely cause comes first, with \
             what AWS says of it and the next command; then what else was found, and what may not be read. Where a run is unfinished, the services \
             of the stage that it stopped in are looked at first.",
            "Exit codes: 0 when nothing is wrong, 4 when something is.",
        ],
        examples: &[
            example("Say why it does not work", "sidestep doctor --var-file terraform.tfvars"),
            example("Look into the trouble of a run", "sidestep doctor --run r7k2"),
            example("Read the findings with another program", "sidestep doctor --var-file terraform.tfvars --output json"),
        ],
    },
    Text {
        verb: "logs",
        paragraphs: &[
            "It shows the lines of the log groups that the runbook names as `aws logs tail` does: time, stream, message. With --follow it goes on \
             until Ctrl-C, and neither repeats a line nor loses one that comes late.",
        ],
        examples: &[
            example("Show the last ten minutes", "sidestep logs --var-file terraform.tfvars"),
            example("Follow them from two hours ago", "sidestep logs --follow --since 2h --var-file terraform.tfvars"),
        ],
    },
    Text {
        verb: "rehearse",
        paragraphs: &[
            "The whole migration is run by the same engine, journal and AWS clients, on a simulated account and a virtual clock: an hour takes \
             a moment. Nothing outside is read or changed, and nothing remains of it.",
            "With --faults crashes it is killed at every point and taken up again; with --faults all it is run again and again, each time in \
             other faults. Both hold the account to an exact verdict, and a failure prints the command that replays it.",
            "Exit codes: 0 when it ends as it must, 3 when the world file is invalid, otherwise those of a run.",
        ],
        examples: &[
            example("Rehearse on the built-in account", "sidestep rehearse"),
            example("Rehearse on a capture of yours", "sidestep rehearse --world account.json"),
            example("Kill it at every point", "sidestep rehearse --world account.json --faults crashes"),
        ],
    },
    Text {
        verb: "snapshot",
        paragraphs: &[
            "It reads what the runbook can see of the account, masks what may be secret, and writes a world file. `sidestep rehearse --world` and \
             `sidestep simulate --world` need nothing else. What may not be read is named in the file and on the screen.",
        ],
        examples: &[example(
            "Capture the account, then rehearse on it",
            "sidestep snapshot --var-file terraform.tfvars --out account.json",
        )],
    },
    Text {
        verb: "simulate",
        paragraphs: &[
            "It prints one line of JSON with its address and then answers as AWS does, until it is interrupted: to `sidestep --endpoint-url`, the \
             AWS CLI or an SDK. A run beside it takes SIDESTEP_TIME_SCALE of the same number as --speed.",
        ],
        examples: &[
            example("Serve the built-in account on a free port", "sidestep simulate"),
            example(
                "Serve a capture, sixty times as fast",
                "sidestep simulate --world account.json --listen 127.0.0.1:4566 --speed 60",
            ),
        ],
    },
    Text {
        verb: "policy",
        paragraphs: &[
            "It prints an IAM policy on stdout, ready to be attached, and what there is to say of it on stderr. Neither AWS nor credentials are \
             needed: what only the account could tell (roles, target groups, security groups) is a pattern as narrow as can be. With --live the \
             account is read, with a client that can't change anything, and what is there now is named.",
            "It allows a plan, a run and its way back unless --for says otherwise. `--for run` has what a plan reads in it; `--for rollback` is for \
             going back alone. `doctor` stands for `logs` too, `snapshot` for dry runs.",
            "What AWS knows no resources for stands in statements of its own, whose Sids end in Read, InCluster or Unscoped. A policy of more than 6144 \
             characters, which a managed policy does not hold, is said on stderr.",
        ],
        examples: &[
            example("Print what the operator's role needs", "sidestep policy --var-file terraform.tfvars > policy.json"),
            example("Print what a read-only reviewer needs", "sidestep policy --for plan,doctor --var-file terraform.tfvars"),
            example("Name the roles, target groups and security groups", "sidestep policy --live --var-file terraform.tfvars"),
        ],
    },
    Text {
        verb: "check",
        paragraphs: &[
            "It reads the runbook and the files named on the command line, and no AWS. All problems are shown at once, each with file, line and caret.",
            "Exit codes: 0 when there is no problem, 3 when there is one.",
        ],
        examples: &[
            example("Check the shipped runbook with your variables", "sidestep check --var-file terraform.tfvars"),
            example("Check a runbook of your own", "sidestep check ./runbook.hcl --var environment=staging"),
        ],
    },
    Text {
        verb: "completions",
        paragraphs: &["It prints a script that completes verbs, options, their values and paths, for the shell to load."],
        examples: &[
            example("For bash", "sidestep completions bash > ~/.local/share/bash-completion/completions/sidestep"),
            example("For zsh, in a directory of its fpath", "sidestep completions zsh > ~/.zfunc/_sidestep"),
            example("For fish", "sidestep completions fish > ~/.config/fish/completions/sidestep.fish"),
        ],
    },
    Text {
        verb: "man",
        paragraphs: &[
            "It prints the page sidestep(1), or writes that and one page per verb to a directory, made if there is none.",
        ],
        examples: &[
            example("Read the page", "sidestep man | man -l -"),
            example("Install all pages", "sidestep man --out ~/.local/share/man/man1"),
        ],
    },
];
