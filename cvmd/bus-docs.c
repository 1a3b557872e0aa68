/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the introspection says of each interface and member; a unit test holds it against the vtables. */
#include "bus-introspect.h"

#include <string.h>

static const struct {
    const char *name, *text; /* name: behind "org.cvmd1." */
} docs[] = {
    {"Manager",
     "Machines, images and operations of this host. Options and properties of a machine are those of "
     "docs/dbus.md and cvmctl-define(1). Digests are SHA-384, 96 lower-case hexadecimal digits; sizes are "
     "bytes; times are microseconds since 1970, 0 for never."},
    {"Manager.Define", "Records a machine and copies its files; the operation is done when both are. Needs org.cvmd1.define."},
    {"Manager.Launch",
     "Defines a machine and starts it. The operation is done when the machine runs; a protected one, when "
     "RootVisor has measured it. If QEMU never ran, no machine is left. Needs org.cvmd1.define."},
    {"Manager.Start", "Starts a machine that is not active. Needs org.cvmd1.control."},
    {"Manager.Stop",
     "Presses the power button, and after StopTimeoutSec= ends QEMU; with force at once. Done when the "
     "memory is back with the host. Needs org.cvmd1.control."},
    {"Manager.Kill", "Ends QEMU at once. Needs org.cvmd1.control."},
    {"Manager.Pause", "The vCPUs stand still, the memory stays. Needs org.cvmd1.control."},
    {"Manager.Resume", "The vCPUs of a paused machine run again. Needs org.cvmd1.control."},
    {"Manager.Reboot",
     "Stops the machine, then starts it; a protected guest is measured again. Needs org.cvmd1.control."},
    {"Manager.Delete", "Forgets a machine that is not active and removes its files. Needs org.cvmd1.define."},
    {"Manager.SetProperties",
     "Changes settings of a machine; some hold from its next start on, see RestartNeeded. The operation is done at "
     "once unless libvirt has to change the limits of a running machine. Needs org.cvmd1.define."},
    {"Manager.ImportImage",
     "Copies a file into the store, by its digest. kind is kernel, initrd, cmdline or disk; the option "
     "Digest (s) refuses other bytes. Results: Digest (s), Size (t). Needs org.cvmd1.images."},
    {"Manager.DeleteImage", "Removes an image that no machine names. Needs org.cvmd1.images."},
    {"Manager.CollectImages",
     "Removes all images that no machine names. Results: Images (t), Bytes (t). Needs org.cvmd1.images."},
    {"Manager.Reload", "Reads the configuration again; an error in it changes nothing. Needs org.cvmd1.reload."},
    {"Manager.GetMachine", "The object of a machine by its name."},
    {"Manager.GetImage", "The object of an image by its digest."},
    {"Manager.GetOperation", "The object of an operation by its id."},
    {"Manager.ListMachines", "Name, state and object of each machine, by name."},
    {"Manager.ListImages", "Digest, kind, name, size in bytes and object of each image."},
    {"Manager.ListOperations", "Id, kind, machine, state and object of each operation, oldest first."},
    {"Manager.OpenConsole", "A stream socket that is the serial console of the machine. Needs org.cvmd1.console."},
    {"Manager.OpenLog", "The file that QEMU writes the console to, for reading. Needs org.cvmd1.console."},
    {"Manager.ReadAudit",
     "Entries of the audit log with ids greater than after: id, time, source, machine, UUID, event, "
     "reason, reason in words, message, who, arguments, RootVisor's number. machine empty: of all; limit "
     "0: no limit. Needs org.cvmd1.audit."},
    {"Manager.Version", "Version of cvmd."},
    {"Gateway",
     "For the user of cvmd-rest(8) alone. Each method names the client first, uid:N or cert:SHA256; cvmd "
     "checks its role and machine pattern, writes refusals into the audit log, and does what the Manager's"
     " method does. key and digest are a request's Idempotency-Key and the digest of what it asked, empty "
     "for none."},
    {"Gateway.Access", "What cvmd knows of a client."},
    {"Gateway.Check", "Whether a client has a permission for a machine; a refusal is an error, and written down."},
    {"Gateway.Denied",
     "count more calls of a client were denied, which Check was not asked about: they are one entry of the audit log. "
     "Client \"\": of those who named none."},
    {"Gateway.Create", "Defines and starts a machine. kind tells what operation names. Permission: define."},
    {"Gateway.Define", "Records a machine and copies its files; the operation is done when both are. Permission: define."},
    {"Gateway.Set",
     "Changes settings of a machine. Changed unless its Revision is revision, or that is 0. done: the operation has "
     "ended already. Permission: define."},
    {"Gateway.Act", "start, stop, kill, pause, resume, reboot or delete. Permission: control; for delete, define."},
    {"Gateway.OpenLog", "The console's log of a machine, for reading. Permission: console."},
    {"Gateway.OpenConsole", "A socket to a running machine's console, and its log, for reading. Permission: console."},
    {"Gateway.Report", "RootVisor's report of a machine with a nonce of 64 bytes. Permission: report."},
    {"Gateway.Evidence", "The evidence document of a machine with a nonce of 64 bytes. Permission: report."},
    {"Gateway.PutKey", "Hands a sealed key to a machine's Guardian, which alone can open it. Permission: control."},
    {"Gateway.ImportImage", "Copies a file into the store of images. Permission: images."},
    {"Gateway.DeleteImage", "Removes an image that no machine names. Permission: images."},
    {"Gateway.CollectImages", "Deletes the images that no machine uses. Permission: images."},
    {"Gateway.Cancel", "Asks an operation to end. Permission: that of what it cancels."},
    {"Gateway.Events",
     "Entries of the audit log with ids greater than after that the client's pattern covers. last: the "
     "greatest id looked at; more: there are others behind it. Permission: read."},
    {"Gateway.AuditExport",
     "The entries from from up to to, without this one, as a file through a pipe; to 0: all. Permission: audit, of all machines."},
    {"Gateway.AuditInclusion",
     "An entry, the proof that it is in the log, and a checkpoint. Permission: audit, of all machines."},
    {"Gateway.ListClients", "Id, name, role, pattern, creation and expiry of each client. Permission: clients."},
    {"Gateway.AddClient",
     "Makes a client of who is known already, by certificate fingerprint or user id. Permission: clients."},
    {"Gateway.Authority",
     "The certificate of the authority of clients and gateway, in PEM, and its SHA-256. Permission: read."},
    {"Gateway.Reload", "Reads the configuration again; an error in it changes nothing. Permission: host."},
    {"Gateway.Endorsement", "The host's part of enrolment, a document of cvmctl-enrol(1). Permission: host."},
    {"Gateway.ActivateCredential",
     "The answer to a challenge of enrolment, documents of cvmctl-enrol(1). Permission: host."},
    {"Gateway.RemoveClient", "Forgets a client; its certificate counts no more. Permission: clients."},
    {"Gateway.CreateToken",
     "A one-time token by which somebody enrols as a client. lifetime in seconds. Permission: clients."},
    {"Gateway.Enrol", "A certificate for who shows a token. csr in PEM."},
    {"Gateway.Certify",
     "A server certificate for the gateway itself. csr in PEM; names: host names and addresses, separated "
     "by commas."},
    {"Gateway.ClientsChanged", "Clients came, went, or changed: what is cached of them is old."},
    {"Gateway.AuditAppended", "The audit log has grown."},
    {"Clients", "The clients of cvmd-rest(8), for who administers them; cvmctl client calls it."},
    {"Clients.CreateToken", "A one-time token by which somebody enrols as a client. lifetime in seconds."},
    {"Clients.Add", "Makes a client of who is known already, by certificate fingerprint or user id."},
    {"Clients.List", "Id, name, role, pattern, creation and expiry of each client."},
    {"Clients.Remove", "Forgets a client; its certificate counts no more."},
    {"Clients.Authority", "The certificate of the authority of clients and gateway, in PEM, and its SHA-256."},
    {"Audit", "What a verifier of the audit log takes along; docs/audit.md says what the texts are."},
    {"Audit.Checkpoint", "A checkpoint of the log, signed now; RootVisor records the log before."},
    {"Audit.Key", "The public key of the log, NAME+HASH+BASE64."},
    {"Audit.Export",
     "A pipe with the entries from (included) to to (not included); to 0: all. Ends with a line "
     "{\"end\":...}, or broke off. Needs org.cvmd1.audit."},
    {"Audit.ProveInclusion",
     "One entry, counted from 0, and the proof that a signed checkpoint covers it; hashes in hexadecimal. "
     "Needs org.cvmd1.audit."},
    {"Audit.ProveConsistency", "The proof that the log of now begins with the one of old entries."},
    {"Host", "This host and its RootVisor."},
    {"Host.GetEndorsement", "The host's part of enrolment, a document of cvmctl-enrol(1). Authorization: host."},
    {"Host.ActivateCredential", "The answer to a challenge of enrolment, documents of cvmctl-enrol(1). Authorization: host."},
    {"Host.ProtectionLevel", "protected, or none without RootVisor."},
    {"Host.ProtectionReason", "Why the level is none; else empty."},
    {"Host.RootVisorVersion", "Version of RootVisor."},
    {"Host.RootVisorSVN", "Security version number of RootVisor."},
    {"Host.RootVisorDigest", "Digest of RootVisor as it measured itself."},
    {"Host.GuardianSVN", "Security version number of the Guardian."},
    {"Host.GuardianDigest", "Digest of the Guardian."},
    {"Host.ReportKey", "The public key of reports: an uncompressed point of P-256, 65 bytes."},
    {"Host.CPUModel", "What the CPU calls itself."},
    {"Host.Features", "What RootVisor can do on this host."},
    {"Host.CPUs", "Number of CPUs that RootVisor runs on."},
    {"Host.VMs", "Number of protected machines that RootVisor has."},
    {"Host.MemoryBacking", "huge, locked or pageable: what a machine of ordinary size would get now."},
    {"Host.RamFrames", "Frames of 4 KiB of RAM in the host."},
    {"Host.RootVisorFrames", "Frames of 4 KiB that RootVisor keeps."},
    {"Host.PrivateFrames", "Frames of 4 KiB that are private to machines."},
    {"Host.PoolFramesFree", "Frames of 4 KiB that RootVisor has left for its tables."},
    {"Host.UptimeTSC", "Ticks of the time stamp counter since RootVisor started."},
    {"Host.TSCKHz", "Rate of the time stamp counter in kHz."},
    {"Machine", "A machine of this host."},
    {"Machine.Report", "RootVisor's report, struct cvm_report of cvm/report.h, for a nonce of 64 bytes."},
    {"Machine.GetEvidence",
     "The evidence document: report, its key, and a TPM quote for the same nonce with its event log. "
     "nonce: 64 bytes."},
    {"Machine.PutKey", "Hands a sealed key to the machine's Guardian, which alone can open it. Authorization: control."},
    {"Machine.Name", "Its name, for ever."},
    {"Machine.UUID", "Its UUID, which libvirt and RootVisor know it by."},
    {"Machine.State", "starting, running, paused, stopping, stopped or failed."},
    {"Machine.Reason", "Why it is stopped or has failed; else empty."},
    {"Machine.ProtectionLevel", "protected, pending while it starts, or none: what holds now."},
    {"Machine.LaunchDigest", "The launch measurement that RootVisor took; empty before the first."},
    {"Machine.Memory", "RAM in bytes."},
    {"Machine.MemoryBacking", "huge, locked or pageable, at its last start."},
    {"Machine.VCPUs", "Number of virtual CPUs."},
    {"Machine.CommandLine", "The kernel's command line."},
    {"Machine.Initrd", "Whether it has an initrd."},
    {"Machine.KernelImage", "Digest of the image that is its kernel; empty if it has a file of its own."},
    {"Machine.InitrdImage", "Digest of the image that is its initrd; empty if it has a file of its own, or none."},
    {"Machine.Description", "A line about it."},
    {"Machine.Labels", "Labels by name."},
    {"Machine.Autostart", "Whether it is started when the host has booted."},
    {"Machine.Restart", "no, on-failure or always: started again after an end that nobody asked for."},
    {"Machine.CPUShares", "Weight against other machines, 2 to 10000; 0: libvirt's default."},
    {"Machine.CPUQuota", "Percent of one CPU for all its vCPUs together; 0: no limit."},
    {"Machine.IOWeight", "Weight of its disk I/O, 10 to 1000; 0: default."},
    {"Machine.Network", "network:NAME of libvirt, bridge:NAME, or none."},
    {"Machine.Disks", "Digests of images, or paths of files and block devices."},
    {"Machine.RestartNeeded", "Whether settings were changed that hold from its next start on, or another program changed the running machine."},
    {"Machine.Console", "The pseudo terminal of its console; empty while there is none."},
    {"Machine.Revision", "Another number after each change, also over restarts of cvmd."},
    {"Machine.Created", "When it was defined."},
    {"Machine.Started", "When it ran last."},
    {"Machine.Ended", "When it ended last."},
    {"Machine.VM", "RootVisor's number of it; 0: none."},
    {"Machine.Frames", "Frames of 4 KiB that RootVisor holds for it."},
    {"Machine.CPUTime", "Nanoseconds that its QEMU has run, all threads; 0 when it does not run."},
    {"Machine.Resident", "Bytes of its QEMU in memory; 0 when it does not run."},
    {"Operation",
     "What takes longer than a moment. It was written to the store before it began, and is kept for "
     "OperationKeepSec= after its end."},
    {"Operation.Cancel", "Asks it to end; it will be cancelled unless it is done first."},
    {"Operation.Id", "UUID of version 7: ids ascend by time."},
    {"Operation.Kind",
     "launch, start, stop, kill, pause, resume, reboot, delete, import-image, delete-image or collect-"
     "images."},
    {"Operation.Machine", "Name of the machine it is for; or empty."},
    {"Operation.State", "pending, running, done, failed or cancelled."},
    {"Operation.Done", "Progress, in Unit; told at most ten times a second."},
    {"Operation.Total", "Where Done will end; 0: not known."},
    {"Operation.Unit", "bytes, pages (of 4 KiB), steps; or empty."},
    {"Operation.Error", "Name of the D-Bus error if it failed or was cancelled; else empty."},
    {"Operation.Message", "The same in words."},
    {"Operation.Created", "When it was asked for."},
    {"Operation.Started", "When it began."},
    {"Operation.Ended", "When it ended."},
    {"Operation.Who", "Who asked, in words."},
    {"Operation.Result", "What came of it, by kind."},
    {"Image", "A file in the store of images."},
    {"Image.Digest", "Digest of its bytes."},
    {"Image.Name", "What it was called at its import."},
    {"Image.Kind", "kernel, initrd, cmdline or disk."},
    {"Image.Size", "Bytes."},
    {"Image.Created", "When it was imported."},
    {"Image.Machines", "Names of the machines that use it."},
    {"Host.Exits", "VM exits to RootVisor, of all machines and the host."},
    {"Host.Reflected", "Exits that the host's KVM was given, of all machines and the host."},
    {"Host.Upcalls", "Entries of a Guardian by RootVisor, of all machines and the host."},
    {"Host.Sealed", "Pages encrypted for the host, of all machines and the host."},
    {"Host.Unsealed", "Pages verified and decrypted again, of all machines and the host."},
    {"Host.Taken", "Frames taken from the host, of all machines and the host."},
    {"Host.Returned", "Frames given back to the host, of all machines and the host."},
    {"Host.Injected", "Interrupts that were let through, of all machines and the host."},
    {"Host.ExitsByReason", "Exits by reason, of all machines and the host."},
    {"Machine.Exits", "VM exits to RootVisor, of this machine."},
    {"Machine.Reflected", "Exits that the host's KVM was given, of this machine."},
    {"Machine.Upcalls", "Entries of a Guardian by RootVisor, of this machine."},
    {"Machine.Sealed", "Pages encrypted for the host, of this machine."},
    {"Machine.Unsealed", "Pages verified and decrypted again, of this machine."},
    {"Machine.Taken", "Frames taken from the host, of this machine."},
    {"Machine.Returned", "Frames given back to the host, of this machine."},
    {"Machine.Injected", "Interrupts that were let through, of this machine."},
    {"Machine.ExitsByReason", "Exits by reason, of this machine."},
};

static const char prefix[] = "org.cvmd1.";

const char *bus_doc_name(size_t i) {
    return i < ELEMENTSOF(docs) ? docs[i].name : NULL;
}

const char *bus_doc(const char *interface, const char *member) {
    size_t n;

    if (strncmp(interface, prefix, sizeof(prefix) - 1) != 0)
        return NULL;
    interface += sizeof(prefix) - 1;
    n = strlen(interface);
    for (size_t i = 0; i < ELEMENTSOF(docs); i++) {
        const char *rest = docs[i].name + n;

        if (strncmp(docs[i].name, interface, n) == 0 &&
            (member ? rest[0] == '.' && strcmp(rest + 1, member) == 0 : rest[0] == 0))
            return docs[i].text;
    }
    return NULL;
}
