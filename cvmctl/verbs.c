/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The families of verbs, in the order of `cvmctl help`. A new family: its array here, its file in
 * meson.build, its page in man/.
 */
#include "cvmctl.h"

const struct verb_family verb_families[] = {
    {"Machines", machine_verbs},
    {"Images", image_verbs},
    {"Operations", operation_verbs},
    {"Host", host_verbs},
    {"Configuration", config_verbs},
    {"Watching", top_verbs},
    {"Events", event_verbs},
    {"Audit log", audit_verbs},
    {"Clients of the REST interface", client_verbs},
    {"For tenants (files only, no host)", tenant_verbs},
    {"Policies of tenants", policy_verbs},
    {"Hosts that tenants know", enrol_verbs},
    {"Keys (a tenant's broker, and whoever carries its messages)", broker_verbs},
    {"Keys of machines", key_verbs},
    {"About cvmctl", about_verbs},
    {0},
};
