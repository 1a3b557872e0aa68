-- SPDX-License-Identifier: LGPL-2.1-or-later
-- A state directory as the cvmd of schema 4 left it: machines, images, operations, and the audit log still in the same
-- database (now it has its own). DIGEST stands for the SHA-384 of the image's file. This is history: do not keep it up to date.
CREATE TABLE machines (
  name TEXT PRIMARY KEY NOT NULL, uuid TEXT UNIQUE NOT NULL, state TEXT NOT NULL, reason TEXT,
  protected INTEGER NOT NULL, memory INTEGER NOT NULL, vcpus INTEGER NOT NULL, backing TEXT NOT NULL,
  cmdline TEXT, has_initrd INTEGER NOT NULL, launch_digest TEXT,
  created INTEGER NOT NULL, started INTEGER NOT NULL, ended INTEGER NOT NULL,
  description TEXT, labels TEXT, network TEXT, disks TEXT, kernel_image TEXT, initrd_image TEXT,
  autostart INTEGER NOT NULL DEFAULT 0, restart_due INTEGER NOT NULL DEFAULT 0, restart TEXT NOT NULL DEFAULT 'no',
  cpu_shares INTEGER NOT NULL DEFAULT 0, cpu_quota INTEGER NOT NULL DEFAULT 0, io_weight INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, source TEXT NOT NULL, machine TEXT, uuid TEXT,
  event TEXT NOT NULL, reason INTEGER NOT NULL, message TEXT NOT NULL, who TEXT,
  boot_id TEXT, seq INTEGER, arg0 INTEGER NOT NULL, arg1 INTEGER NOT NULL) STRICT;
CREATE UNIQUE INDEX audit_seq ON audit (boot_id, seq) WHERE seq IS NOT NULL;
CREATE INDEX audit_machine ON audit (machine, id);
CREATE TABLE operations (
  id TEXT PRIMARY KEY NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL, machine TEXT,
  done INTEGER NOT NULL, total INTEGER NOT NULL, unit TEXT NOT NULL, error TEXT, message TEXT, result TEXT,
  who TEXT NOT NULL, created INTEGER NOT NULL, started INTEGER NOT NULL, ended INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE images (digest TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL,
  size INTEGER NOT NULL, created INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE memory (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
PRAGMA user_version = 4;

INSERT INTO machines (name, uuid, state, reason, protected, memory, vcpus, backing, cmdline, has_initrd, created, started, ended,
                      description, labels, kernel_image, restart, cpu_shares)
VALUES ('mail', '01234567-89ab-4def-8123-456789abcdef', 'stopped', 'stopped by request', 0, 268435456, 2, 'pageable',
        'console=ttyS0', 0, 1700000000000000, 1700000001000000, 1700000002000000, 'post office', 'site=north' || char(10), 'DIGEST',
        'on-failure', 512),
       ('shop', '11234567-89ab-4def-8123-456789abcdef', 'failed', 'integrity', 1, 134217728, 1, 'locked', NULL, 1,
        1700000003000000, 1700000004000000, 1700000005000000, NULL, NULL, NULL, 'no', 0);
INSERT INTO images VALUES ('DIGEST', 'kernel-6.1', 'kernel', 11, 1700000000000000);
INSERT INTO audit (time, source, machine, uuid, event, reason, message, who, arg0, arg1)
VALUES (1700000000000000, 'cvmd', NULL, NULL, 'daemon-start', 0, 'cvmd 0.0.1 started', NULL, 0, 0),
       (1700000001000000, 'cvmd', 'mail', '01234567-89ab-4def-8123-456789abcdef', 'launch', 0, 'launch', 'uid 0', 0, 0),
       (1700000005000000, 'cvmd', 'shop', '11234567-89ab-4def-8123-456789abcdef', 'failed', 0, 'integrity', NULL, 0, 0);
