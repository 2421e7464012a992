//! A configuration's errors name file, line, column and key; so each case here is a file and a text.

mod grants;

use std::path::PathBuf;

use millstream_model::schema::Mismatch;

use super::*;
use crate::watermark::LatePolicy;

const GOOD: &str = r#"
[lake]
url = "lake"

[source.files]
dir = "."

[streams.vehicle]
topic = "vehicle_data"
event_time = { column = "timestamp", zone = "Europe/London" }

[streams.vehicle.schema]
id = { type = "string", required = true }
device = { type = "string", aliases = ["deviceId", "device_id"] }
timestamp = "string"
"location.lat" = { type = "float64", aliases = ["location[0]"] }
"#;

fn read(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("plugins")).unwrap();
    std::fs::write(folder.path().join("plugins/present.wasm"), "").unwrap();
    std::fs::write(
        folder.path().join("plugins/present.toml"),
        "[limits]\ndeadline = \"2s\"\n[config]\na = 1\nb = 1\n",
    )
    .unwrap();
    let path: PathBuf = folder.path().join("millstream.toml");
    std::fs::write(&path, text).unwrap();
    let environment = environment.iter().map(|(k, v)| (k.to_string(), v.to_string()));
    Config::read(&path, environment)
        .map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

#[track_caller]
fn check(from: &str, to: &str, expect: &str) {
    assert!(GOOD.contains(from), "the case changes nothing");
    let error = read(&GOOD.replacen(from, to, 1), &[]).expect_err("an error");
    assert!(error.contains(expect), "\n{error}\ndoes not contain\n{expect}");
}

#[test]
fn a_good_file_keeps_the_order_of_its_columns() {
    let config = read(GOOD, &[]).unwrap();
    let names: Vec<_> = config.streams[0].schema.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["id", "device", "timestamp", "location.lat"]);
    assert_eq!(config.streams[0].schema.columns[1].paths.len(), 3);
    assert!(config.lake_url.ends_with("/lake"), "{}", config.lake_url);
}

#[test]
fn a_field_goes_into_columns_that_leave_what_is_not_theirs() {
    let text = GOOD.replace("[streams.vehicle.schema]", "[streams.vehicle.schema]\n\"location.text\" = { type = \"string\", path = \"location\", mismatch = \"null\" }\ncode = { type = \"int32\", path = \"id\", mismatch = \"null\" }");
    let config = read(&text, &[]).unwrap();
    let columns = &config.streams[0].schema.columns;
    let choosy = columns.iter().filter(|column| column.mismatch == Mismatch::Null);
    assert_eq!(choosy.map(|column| column.name.as_str()).collect::<Vec<_>>(), ["location.text", "code"]);
}

#[test]
fn merging_is_on_and_bounded() {
    let settings =
        |more: &str| read(&GOOD.replacen("[lake]", &format!("{more}\n[lake]"), 1), &[]).unwrap().merge;
    assert_eq!(settings(""), Some(crate::merge::MergeSettings::default()));
    assert_eq!(settings("[merge]\ntarget_size = \"1GiB\"").unwrap().target_bytes, 1 << 30);
    assert_eq!(settings("[merge]\nenabled = false"), None);
    check("[lake]", "[merge]\nfiles_min = 1\n[lake]", "`merge.files_min`: must be 2 at least");
    check("[lake]", "[merge]\ncpu_share = 0.0\n[lake]", "`merge.cpu_share`: must be between 0.01 and 1");
    check("[lake]", "[merge]\ninterval = \"1ms\"\n[lake]", "`merge.interval`: shorter than 10ms");
}

#[test]
fn errors_name_file_line_and_key() {
    check("[lake]", "[lake]\ncolour = \"red\"", "millstream.toml:3:1: `lake.colour`: unknown field `colour`");
    check(
        "topic = \"vehicle_data\"",
        "tpoic = \"x\"",
        "millstream.toml:9:1: `streams.vehicle.tpoic`: unknown field `tpoic`",
    );
    check(
        "topic = \"vehicle_data\"",
        "topic = 3",
        "millstream.toml:9:9: `streams.vehicle.topic`: invalid type: integer `3`, expected a string",
    );
    check(
        "\"string\", required",
        "\"strnig\", required",
        "millstream.toml:13:15: `streams.vehicle.schema.id.type`: unknown variant `strnig`",
    );
    check(
        "timestamp = \"string\"",
        "timestamp = 7",
        "millstream.toml:15:13: `streams.vehicle.schema.timestamp`: invalid type: integer `7`, expected a type such as",
    );
    check(
        "Europe/London",
        "Europe/Lodnon",
        "millstream.toml:10:1: `streams.vehicle.event_time`: `Europe/Lodnon` is not a time zone",
    );
    check("column = \"timestamp\"", "column = \"time\"", "`streams.vehicle.event_time`: no column `time`");
    check(
        "\"device_id\"",
        "\"id\"",
        "`streams.vehicle.schema.device`: `id` is read into column `id` already",
    );
    check(
        "timestamp = \"string\"",
        "timestamp = { type = \"string\", required = true, mismatch = \"null\" }",
        "millstream.toml:15:49: `streams.vehicle.schema.timestamp.mismatch`: a required column is never null",
    );
    check(
        "timestamp = \"string\"",
        "timestamp = { type = \"string\", mismatch = \"drop\" }",
        "`streams.vehicle.schema.timestamp.mismatch`: unknown variant `drop`, expected one of `error`, `null`, `json`",
    );
    check("id = {", "_id = {", "`streams.vehicle.schema._id`: names that begin with an underscore");
    check(
        "dir = \".\"",
        "dir = \"absent\"",
        "millstream.toml:6:1: `source.files.dir`: absent is not a folder",
    );
    check("[lake]", "[lake", "millstream.toml:2:6: ");
    check(
        "[streams.vehicle]",
        "[checkpoint]\ninterval = \"soon\"\n[streams.vehicle]",
        "millstream.toml:9:12: `checkpoint.interval`: `soon` is not a duration",
    );
    check(
        "[source.files]\ndir = \".\"",
        "[source.kafka]\nbrokers = \"x:1\"\n[source.kafka.properties]\n\"group.id\" = \"g\"",
        "`source.kafka.properties.\"group.id\"`: ",
    );
    check(
        "[source.files]\ndir = \".\"",
        "[source]",
        "`source`: no source; add [source.kafka] or [source.files]",
    );
    check(
        "\"device_id\"",
        "\"device\"",
        "`streams.vehicle.schema.device`: `device` stands twice among its name, path and aliases",
    );
    check("\"location.lat\" =", "location.lat =", "a column whose name has a dot is written in quotes");
    check(
        "timestamp = \"string\"",
        "timestamp = \"string\"\nday = \"int32\"",
        "`streams.vehicle.schema.day`: tables are partitioned by `day`",
    );
    check("vehicle_data", "../vehicle_data", "`streams.vehicle.topic`: not a topic's name");
    check(
        "\"lake\"",
        "\"ftp://lake\"",
        "millstream.toml:3:1: `lake.url`: `ftp://lake` is not a lake: the scheme",
    );
    check("[lake]", "[source.kafka]\nbrokers = \"x:1\"\n[lake]", "two sources; a lake has one");
    check("[source.files]\ndir = \".\"", "", "`source`: no source; add [source.kafka] or [source.files]");
    check("[lake]\nurl = \"lake\"", "", "missing field `lake`");
}

#[test]
fn a_circuit_opens_at_a_budget() {
    let read_step = |keys: &str| {
        let text = format!("{GOOD}\n[[streams.vehicle.steps]]\nplugin = \"present\"\n{keys}\n");
        read(&text, &[]).map(|config| config.streams[0].steps[0].circuit.clone())
    };
    let check = |keys: &str, on_open, budget| {
        assert_eq!(read_step(keys).unwrap(), CircuitPolicy { on_open, budget }, "{keys}");
    };
    let default = ErrorBudget::default();
    check("", OnCircuit::LastGood, default.clone());
    check("on_circuit = \"dead_letters\"", OnCircuit::DeadLetters, default.clone());
    let budget = ErrorBudget { share: 0.5, window: Duration::from_secs(10), ..default };
    let keys = "error_budget = { share = 0.5, window = \"10s\" }";
    check(&format!("on_circuit = \"pause\"\n{keys}"), OnCircuit::Pause, budget);
    let refuse = |keys: &str, expect: &str| {
        let error = read_step(keys).expect_err(keys);
        assert!(error.contains(expect), "\n{error}\ndoes not contain\n{expect}");
    };
    refuse(
        "on_circuit = \"stop\"",
        "steps.0.on_circuit`: unknown variant `stop`, expected one of `last_good`",
    );
    refuse("error_budget = { share = 0.0 }", "steps.0.error_budget.share`: must be above 0 and at most 1");
    refuse("error_budget = { window = \"2h\" }", "steps.0.error_budget.window`: must be between 1s and 1h");
    refuse("error_budget = { rows_min = 0 }", "steps.0.error_budget.rows_min`: must be 1 at least");
    refuse(&format!("on_circuit = \"dead_letters\"\n{keys}"), "steps.0.error_budget`: has no meaning");
}

#[test]
fn a_step_says_what_a_shadow_must_show() {
    let read_step = |keys: &str| {
        let text = format!("{GOOD}\n[[streams.vehicle.steps]]\nplugin = \"present\"\n{keys}\n");
        read(&text, &[]).map(|config| config.streams[0].steps[0].clone())
    };
    let tried = "on_drop_in = \"shadow_then_swap\"\n";
    let check = |keys: &str, expected: ShadowPolicy| {
        assert_eq!(read_step(&format!("{tried}{keys}")).expect(keys).shadow, expected);
    };
    let default = ShadowPolicy::default();
    check("", default.clone());
    let policy =
        ShadowPolicy { runs_for: Duration::from_secs(120), slower_max: 3.0, traps_max: 2, ..default };
    check("shadow = { for = \"2m\", slower_max = 3, traps_max = 2 }", policy);
    let refuse = |keys: &str, expect: &str| {
        let error = read_step(keys).expect_err(keys);
        assert!(error.contains(expect), "\n{error}\ndoes not contain\n{expect}");
    };
    let refuse_key = |key: &str, expect: &str| {
        refuse(&format!("{tried}shadow = {{ {key} }}"), &format!("steps.0.shadow.{expect}"));
    };
    refuse_key("for = \"1ms\"", "for`: must be between 100ms and 24h");
    refuse_key("rows_min = 0", "rows_min`: must be 1 at least");
    refuse_key("different_max = 1.1", "different_max`: must be between 0 and 1");
    refuse_key("rejected_more_max = nan", "rejected_more_max`: must be between 0 and 1");
    refuse_key("slower_max = 0", "slower_max`: must be a number above 0");
    refuse("shadow = { rows_min = 5 }", "steps.0.shadow`: has no meaning without on_drop_in");
}

#[test]
fn routes_go_to_tables_of_their_own() {
    let check = |table: &str, more: &str, expect: &str| {
        let route =
            format!("[[streams.vehicle.routes]]\ntable = \"{table}\"\n{more}\n[streams.vehicle.schema]");
        let text = GOOD.replacen("[streams.vehicle.schema]", &route, 1);
        let other = "[streams.gps]\ntopic = \"gps\"\n[streams.gps.schema]\nid = \"string\"\n";
        let error = read(&format!("{text}\n{other}"), &[]).map(|_| ()).expect_err(table);
        assert!(error.contains(expect), "\n{error}\ndoes not contain\n{expect}");
    };
    check("raw.fires", "", "millstream.toml:13:1: `streams.vehicle.routes.0.table`: `raw.fires` is reserved");
    check("dead_letters", "", "`dead_letters` is reserved: it holds what could not be processed");
    check("curated.gps", "", "it holds the rows of stream `gps`");
    check("_millstream.log", "", "not a table's name");
    check("../fires", "", "not a table's name");
    check("fires", "were = \"true\"", "millstream.toml:14:1: `streams.vehicle.routes.0.were`: unknown field");
    check(
        "fires",
        "[[streams.vehicle.routes]]\ntable = \"fires\"",
        "`streams.vehicle.routes.1.table`: a second route",
    );
}

#[test]
fn a_watermark_follows_event_time() {
    let with = |more: &str| {
        GOOD.replacen("[streams.vehicle.schema]", &format!("{more}\n[streams.vehicle.schema]"), 1)
    };
    let settings = |text: &str| read(text, &[]).map(|mut config| config.streams.swap_remove(0).watermark);
    let default = settings(GOOD).unwrap().unwrap().value;
    assert_eq!((default.delay_us, default.ahead_us_max), (600_000_000, 3_600_000_000));
    assert_eq!((default.idle, default.late), (Duration::from_secs(60), LatePolicy::Keep));
    let text =
        with("watermark = { delay = \"0s\", idle = \"5m\", ahead_max = \"2h\", late = \"dead_letters\" }");
    let chosen = settings(&text).unwrap().unwrap().value;
    assert_eq!((chosen.delay_us, chosen.ahead_us_max), (0, 7_200_000_000));
    assert_eq!((chosen.idle, chosen.late), (Duration::from_secs(300), LatePolicy::DeadLetters));
    let timeless = GOOD.replace("event_time = {", "# {");
    assert!(settings(&timeless).unwrap().is_none());

    let check = |text: &str, expect: &str| {
        let error = settings(text).map(|_| ()).expect_err(text);
        assert!(error.contains(expect), "\n{error}\ndoes not contain\n{expect}");
    };
    check(
        &with("[streams.vehicle.watermark]\nlate = \"drop\""),
        ".late`: unknown variant `drop`, expected one of `keep`",
    );
    check(&with("watermark = { idle = \"0s\" }"), "`streams.vehicle.watermark.idle`: must be longer than 0");
    check(&with("watermark = { lateness = \"1s\" }"), "`streams.vehicle.watermark.lateness`: unknown field");
    check(
        &with("watermark = { delay = \"-1s\" }"),
        "`streams.vehicle.watermark.delay`: `-1s` is not a duration",
    );
    let timeless = with("watermark = { delay = \"1s\" }").replace("event_time = {", "# {");
    check(&timeless, "`streams.vehicle.watermark`: a watermark is made of event times");
    let route = "[[streams.vehicle.routes]]\ntable = \"late.vehicle\"";
    check(&with(route), "`late.vehicle` is reserved: it is for the late rows of stream `vehicle`");
}

#[test]
fn the_environment_wins_over_the_file() {
    let config =
        read(GOOD, &[("MILLSTREAM_LAKE__URL", "s3://bucket/lake"), ("MILLSTREAM_WORKER__THREADS", "7")]);
    let config = config.unwrap();
    assert_eq!((config.lake_url.as_str(), config.worker.threads), ("s3://bucket/lake", 7));
    let config = read(GOOD, &[("MILLSTREAM_STREAMS__VEHICLE__EVENT_TIME__ZONE", "UTC")]).unwrap();
    assert_eq!(config.streams[0].schema.event_time.as_ref().unwrap().zone.as_deref(), Some("UTC"));
    let text = GOOD.replace("device =", "deviceId =");
    let config = read(&text, &[("MILLSTREAM_STREAMS__VEHICLE__SCHEMA__DEVICEID", "int64")]).unwrap();
    assert_eq!(config.streams[0].schema.columns.len(), 4, "the case of a key is not in a variable's name");
    let error = read(GOOD, &[("MILLSTREAM_WORKER__THREADS", "many")]).unwrap_err();
    assert!(error.contains("MILLSTREAM_WORKER__THREADS"), "{error}");
    let error = read(GOOD, &[("MILLSTREAM_WORKER__THREADS", "0")]).unwrap_err();
    assert!(
        error.starts_with("environment variable MILLSTREAM_WORKER__THREADS: `worker.threads`"),
        "{error}"
    );
}

#[test]
fn a_step_takes_what_stands_beside_its_plugin() {
    let text = format!("{GOOD}\n[[streams.vehicle.steps]]\nplugin = \"present\"\nconfig = {{ b = 2 }}\n");
    let config = read(&text, &[]).unwrap();
    let step = &config.streams[0].steps[0];
    assert_eq!(step.config, serde_json::json!({ "a": 1, "b": 2 }));
    assert_eq!(step.limits.deadline, Duration::from_secs(2));
}

#[test]
fn limits_are_laid_over_one_another() {
    let step =
        "[[streams.vehicle.steps]]\nplugin = \"present\"\nlimits = { log_lines = 7, stack = \"1MiB\" }";
    let all = "[plugins.limits]\ndeadline = \"3s\"\nhost_calls = 9\nlog_lines = 5\nmemory = \"8MiB\"\n";
    let limits = read(&format!("{GOOD}\n{step}\n{all}"), &[]).unwrap().streams[0].steps[0].limits.clone();
    let expect = Limits {
        deadline: Duration::from_secs(2),
        memory_bytes: 8 << 20,
        stack_bytes: 1 << 20,
        host_calls: 9,
        log_lines_per_second: 7,
        ..Limits::default()
    };
    assert_eq!(limits, expect);
}

#[test]
fn limits_out_of_range_are_refused_where_they_stand() {
    let refused = |more: &str, expect: &str| {
        let error = read(&format!("{GOOD}\n{more}"), &[]).expect_err("an error");
        assert!(error.contains(expect), "\n{error}\ndoes not contain\n{expect}");
    };
    refused(
        "[plugins.limits]\ndeadline = \"1ms\"",
        "millstream.toml:19:1: `plugins.limits.deadline`: expected 10ms",
    );
    refused("[plugins.limits]\nstack = \"1KiB\"", "`plugins.limits.stack`: expected 64KiB to 1MiB");
    refused("[plugins.limits]\nhost_calls = 0", "`plugins.limits.host_calls`: must be 1 at least");
    refused("[plugins.limits]\noutput = \"1B\"", "`plugins.limits.output`: expected 1KiB to 4GiB");
    refused("[plugins.limits]\nfuel = 1", "unknown field `fuel`");
    let step = "[[streams.vehicle.steps]]\nplugin = \"present\"\nlimits = { memory = \"1KiB\" }";
    refused(step, "`streams.vehicle.steps.0.limits.memory`: expected 1MiB to 4GiB");
}

#[test]
fn a_worker_has_a_name_that_its_group_takes() {
    let kafka = |more: &str| {
        let section = format!("[source.kafka]\nbrokers = \"b:9092\"\n{more}\n[worker]\nname = \"the first\"");
        read(&GOOD.replace("[source.files]\ndir = \".\"", &section), &[])
    };
    let refused = |more: &str, expect: &str| {
        let error = kafka(more).expect_err("an error");
        assert!(error.contains(expect), "\n{error}\ndoes not contain\n{expect}");
    };
    refused("", "`worker.name`: a static member's name in its consumer group");
    refused("membership = \"static\"\nprotocol = \"consumer\"", "`worker.name`: a static member's name");
    refused("protocol = \"auto\"", "unknown variant `auto`, expected `classic` or `consumer`");
    refused(
        "membership = \"dynamic\"\nproperties = { \"group.instance.id\" = \"x\" }",
        "`source.kafka.properties.\"group.instance.id\"`: may not be set: set worker.name",
    );
    for more in ["membership = \"dynamic\"\nrevoke_timeout = \"3s\"", "protocol = \"consumer\""] {
        let SourceSettings::Kafka(settings) = kafka(more).unwrap().source else { panic!("not Kafka") };
        assert_eq!(
            (settings.worker.as_str(), settings.membership),
            ("the first", crate::source::Membership::Dynamic)
        );
    }
}

/// The token never stands in an error, nor in what a configuration prints as.
#[test]
fn the_admin_api_is_off_or_has_a_token() {
    const TOKEN: &str = "s3cret-s3cret-s3cret";
    let admin = |more: &str, environment: &[(&str, &str)]| {
        let text = GOOD.replacen("[lake]", &format!("{more}\n[lake]"), 1);
        let admin = read(&text, environment).map(|config| {
            assert!(!format!("{config:?}").contains(TOKEN));
            config.admin.map(|settings| settings.token.expose().to_owned())
        });
        admin.inspect_err(|error| assert!(!error.contains(TOKEN), "{error}"))
    };
    let refused = |more: &str, environment: &[(&str, &str)], expect: &str| {
        let error = admin(more, environment).expect_err("an error");
        assert!(error.contains(expect), "\n{error}\ndoes not contain\n{expect}");
    };
    let token = format!("[admin]\ntoken = \"{TOKEN}\"");
    let other = ("MILLSTREAM_ADMIN__TOKEN", "fedcba9876543210");
    assert_eq!(admin("", &[]), Ok(None));
    assert_eq!(admin(&token, &[]), Ok(Some(TOKEN.to_owned())));
    assert_eq!(admin("", &[other]), Ok(Some(other.1.to_owned())));
    assert_eq!(admin(&token, &[other]), Ok(Some(other.1.to_owned())));
    assert_eq!(admin("[admin]\ntoken_file = \"absent\"", &[other]), Ok(Some(other.1.to_owned())));
    refused("[admin]", &[], "millstream.toml:2:2: `admin`: neither `token_file` nor `token`");
    refused(&format!("{token}\ntoken_file = \"x\""), &[], "keep one of them");
    refused(&format!("{token}\nremotely = true"), &[], "unknown field `remotely`");
    refused("[admin]\ntoken = \"short\"", &[], "`admin.token`: a token has 16 to 1024 characters");
    refused("[admin]\ntoken_file = \"absent\"", &[], "absent: No such file");
    refused("[admin]\ntoken_file = \"plugins/present.toml\"", &[], "present.toml: a token has letters");
    refused("", &[("MILLSTREAM_ADMIN__TOKEN", "12345678901234567")], "expected a text; put it in quotes");
    let open = "[http]\nlisten = \"0.0.0.0:9464\"\n";
    refused(&format!("{open}{token}"), &[], "`admin.remote`: the admin API would be served at 0.0.0.0:9464");
    assert_eq!(admin(&format!("{open}{token}\nremote = true"), &[]), Ok(Some(TOKEN.to_owned())));
    assert_eq!(admin(&format!("[http]\nlisten = \"[::1]:1\"\n{token}"), &[]), Ok(Some(TOKEN.to_owned())));
}
