//! Whole-town scenarios over real processes. `cargo test -p townmesh-tests --test town [words]` runs those whose names
//! contain one of the words.

mod api;
mod cargo;
mod clock;
mod crashes;
mod demo;
mod disk;
mod maps;
mod networks;
mod outage;
mod pixel;
mod refusals;
mod small_town;
mod stories;

use std::process::ExitCode;

use townmesh_tests::runner::{Need, Scenario, run_all};

const NETWORKS: &[Need] = &[Need::Root, Need::Tool("ip"), networks::NAMESPACES];
const RATES: &[Need] = &[Need::Root, Need::Tool("ip"), networks::NAMESPACES, Need::Tool("tc"), networks::TBF];
const FILTERS: &[Need] = &[Need::Root, Need::Tool("ip"), networks::NAMESPACES, Need::Tool("nft")];
const TMPFS: &[Need] = &[Need::Root, Need::Tool("mount"), disk::TMPFS];

const SCENARIOS: [Scenario; 21] = [
    Scenario {
        name: "a_center_two_villages_and_a_vehicle_converge_after_an_outage",
        needs: &[],
        play: outage::a_town_converges_after_an_outage,
    },
    Scenario {
        name: "a_slow_lossy_link_only_takes_longer",
        needs: &[],
        play: outage::a_slow_lossy_link_only_takes_longer,
    },
    Scenario {
        name: "ten_kills_with_a_write_in_flight_lose_nothing_acknowledged",
        needs: &[],
        play: crashes::ten_kills_lose_nothing_acknowledged,
    },
    Scenario {
        name: "a_second_process_on_the_same_data_is_told_so",
        needs: &[],
        play: refusals::a_second_process_is_told_so,
    },
    Scenario {
        name: "a_node_of_another_town_gets_nothing",
        needs: &[],
        play: refusals::a_node_of_another_town_gets_nothing,
    },
    Scenario { name: "a_damaged_store_is_named_and_left_alone", needs: &[], play: disk::a_damaged_store_is_named },
    Scenario {
        name: "a_full_disk_refuses_to_record_and_goes_on_reading",
        needs: TMPFS,
        play: disk::a_full_disk_goes_on_reading,
    },
    Scenario {
        name: "photos_and_positions_travel_with_a_vehicle_that_cannot_see_them",
        needs: &[],
        play: cargo::photos_and_positions_travel_with_a_vehicle,
    },
    Scenario {
        name: "a_box_whose_clock_says_1970_syncs_over_tcp",
        needs: &[Need::Tool("faketime")],
        play: clock::a_box_in_1970_syncs_over_tcp,
    },
    Scenario {
        name: "a_gis_program_reads_the_map",
        needs: &[Need::Tool("ogrinfo")],
        play: maps::a_gis_program_reads_the_map,
    },
    Scenario {
        name: "any_request_is_answered_as_described",
        needs: &[Need::Works(&[api::TOOL, "--version"], &[])],
        play: api::any_request_is_answered_as_described,
    },
    Scenario { name: "a_day_of_the_village_clerk_and_the_inspector", needs: &[], play: stories::of_the_registry },
    Scenario {
        name: "a_day_of_the_intake_clerk_the_duty_head_the_dispatcher_and_the_handler",
        needs: &[],
        play: stories::of_a_case,
    },
    Scenario {
        name: "a_day_of_the_commander_the_lane_chief_the_back_office_and_the_liaison",
        needs: &[],
        play: stories::of_command,
    },
    Scenario {
        name: "a_day_of_the_leader_the_analyst_the_auditor_and_the_technician",
        needs: &[],
        play: stories::of_those_who_look,
    },
    Scenario { name: "the_demo_goes_well", needs: &[], play: demo::goes_well },
    Scenario { name: "the_demo_notices_a_lost_record", needs: &[], play: demo::notices_a_lost_record },
    Scenario { name: "the_demo_notices_a_link_that_stays_cut", needs: &[], play: demo::notices_a_cut_link },
    Scenario {
        name: "a_vehicle_goes_on_syncing_after_its_address_changed",
        needs: NETWORKS,
        play: networks::an_address_changes,
    },
    Scenario { name: "a_link_of_64_kbit_per_second_carries_a_days_work", needs: RATES, play: networks::a_slow_link },
    Scenario {
        name: "a_link_cut_in_one_direction_is_given_up_and_heals",
        needs: FILTERS,
        play: networks::a_one_way_cut,
    },
];

fn main() -> ExitCode {
    match networks::asked() {
        Some(code) => code,
        None => run_all(&SCENARIOS),
    }
}
