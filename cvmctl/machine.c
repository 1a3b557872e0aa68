/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The verbs of machines.
 */
#include "cvmctl.h"

const struct verb machine_verbs[] = {
    {.name = "launch",
     .arguments = "NAME",
     .summary = "start a machine",
     .run = verb_launch,
     .text = "Starts a machine, and returns when it runs: a protected one when RootVisor has taken its "
             "memory from the\n"
             "host and measured what it starts.",
     .options = {launch_options},
     .remark = "--kernel FILE --memory SIZE",
     .remote = true},
    {.name = "list",
     .arguments = "",
     .summary = "list the machines",
     .run = verb_list,
     .text = "Lists the machines that cvmd knows, running or not.",
     .remote = true},
    {.name = "show",
     .arguments = "MACHINE",
     .summary = "tell all about a machine",
     .run = verb_show,
     .text = "Tells state, protection level, launch measurement and counters of a machine.",
     .remote = true},
    {.name = "console",
     .arguments = "MACHINE",
     .summary = "connect to a machine's console",
     .run = verb_console,
     .text =
         "Connects the terminal to the machine's console; Ctrl-] ends the connection. If standard input is "
         "no\n"
         "terminal, it is sent to the console, and what comes back is printed for some time behind its end.",
     .options = {console_options},
     .remote = true},
    {.name = "stop",
     .arguments = "MACHINE",
     .summary = "stop a machine",
     .run = verb_stop,
     .text = "Asks the guest to power off; ends it when it does not within StopTimeoutSec= of cvmd.conf(5). "
             "Returns when\n"
             "its memory is back with the host, cleared.",
     .options = {stop_options},
     .remote = true},
    {.name = "delete",
     .arguments = "MACHINE",
     .summary = "forget a stopped machine",
     .run = verb_delete,
     .text = "Forgets a machine that is stopped or failed, and removes its files.",
     .remote = true},
    {.name = "report",
     .arguments = "MACHINE",
     .summary = "fetch a machine's signed report",
     .run = verb_report,
     .text = "Fetches a report of a running protected machine, bound to your nonce and signed by the Quoter, "
             "for\n"
             "'cvmctl verify' on a machine that you trust.",
     .options = {report_options},
     .remark = "--nonce HEX|FILE -o FILE",
     .remote = true},
    {0},
};
