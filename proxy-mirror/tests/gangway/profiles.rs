//! What is another in each network.

use std::process::Command;

use serde_json::{Value, json};
use testbed::Row;

use crate::house::{Agent, House};

const HOME: &str = "http://home.test:3128";
const CORP: &str = "http://corp.test:8080";
const TUNNEL: &str = "http://tunnel.test:8080";

fn settings() -> String {
    format!(
        "mode = \"manual\"\nupstream = \"{HOME}\"\n\
         [[profiles]]\nname = \"vpn\"\ninterface = [\"tun*\"]\nupstream = \"{TUNNEL}\"\n\
         [[profiles]]\nname = \"office\"\nupstream = \"{CORP}\"\nbypass = [\".corp.test\"]\n\
         [[profiles]]\nname = \"plain\"\nmode = \"off\"\n"
    )
}

/// The same command in the network of `row`'s pod.
fn inside(row: &Row, command: &Command) -> Command {
    let mut there = row.pod.command(command.get_program());
    there.args(command.get_args()).env_clear();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            there.env(name, value);
        }
    }
    there
}

fn through(status: &Value) -> &Value {
    &status["policy"]["upstreams"][0]
}

#[test]
fn the_profile_of_the_network_holds_and_the_one_that_is_chosen_by_hand_before_it() {
    let row = Row::new(&[]).unwrap();
    let house = House::new();
    std::fs::create_dir_all(house.settings_file().parent().unwrap()).unwrap();
    std::fs::write(house.settings_file(), settings()).unwrap();
    let mut agent = Agent::start(inside(&row, &house.command(&["run", "--json"])));
    let home = agent.until("the settings hold", |status| through(status) == HOME);
    assert_eq!(
        (&home["profile"], &home["profiles"]),
        (&Value::Null, &json!(["vpn", "office", "plain"]))
    );

    row.pod
        .sh("ip link add tun7 type veth peer name far7 && ip addr add 10.8.0.2/24 dev tun7 && ip link set tun7 up")
        .unwrap();
    let vpn = agent.until("the tunnel is seen", |status| through(status) == TUNNEL);
    assert_eq!(vpn["profile"], json!({"name": "vpn", "by_hand": false}));
    assert_eq!(vpn["mode"], "manual");

    let said = house.run(&["profile", "office"]);
    assert!(
        said.out.contains("→ office") && said.out.contains("by hand"),
        "{}",
        said.out
    );
    let office = agent.until("the user's choice", |status| through(status) == CORP);
    assert_eq!(
        office["profile"],
        json!({"name": "office", "by_hand": true})
    );
    assert_eq!(office["policy"]["bypass"], json!([".corp.test"]));
    assert!(house.run(&["status"]).out.contains("Profile office"));

    let wrong = house.run(&["profile", "ofice"]);
    assert_eq!(wrong.code, 2);
    assert!(
        wrong.err.contains("vpn, office, plain, auto"),
        "{}",
        wrong.err
    );

    house.run(&["profile", "plain"]);
    let plain = agent.until("everything is direct", |status| {
        status["policy"]["kind"] == "direct"
    });
    // The switch is where the user left it.
    assert_eq!(plain["on"], true);

    house.run(&["profile", "auto"]);
    agent.until("the network decides", |status| through(status) == TUNNEL);
    row.pod.sh("ip link del tun7").unwrap();
    let back = agent.until("the tunnel is gone", |status| through(status) == HOME);
    assert_eq!(back["profile"], Value::Null);
    // What was chosen and unchosen left nothing behind.
    assert_eq!(
        std::fs::read_to_string(house.settings_file()).unwrap(),
        settings()
    );
}

#[test]
fn a_profile_that_is_chosen_and_not_there_is_said() {
    let house = House::new();
    house.write_settings("profile = \"gone\"");
    let said = house.run(&["status"]);
    assert!(
        said.out.contains("chooses the profile gone"),
        "{}",
        said.out
    );
    let none = house.run(&["profile"]);
    assert!(none.out.contains("There is no profile"), "{}", none.out);
}
