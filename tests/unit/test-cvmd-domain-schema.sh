#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every golden domain is valid by libvirt's own schema.
command -v virt-xml-validate > /dev/null || { echo "virt-xml-validate is not installed"; exit 77; }
status=0
for f in "$1"/domain-*.xml; do
	virt-xml-validate "$f" domain || status=1
done
exit $status
