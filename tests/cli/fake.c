/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cli/fake.h"

#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <signal.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "base/strutil.h"
#include "cli/json.h"
#include "dbus/names.h"

#define NIC0 "0000:02:00.0"
#define NIC1 "0000:02:00.1"
#define BRIDGE "0000:00:1c.0"
#define LONER "0000:00:1f.0"
#define NIC0_PATH ASSIGND_DEVICE_PREFIX "/0000_02_00_0"
#define NIC1_PATH ASSIGND_DEVICE_PREFIX "/0000_02_00_1"
#define BRIDGE_PATH ASSIGND_DEVICE_PREFIX "/0000_00_1c_0"
#define LONER_PATH ASSIGND_DEVICE_PREFIX "/0000_00_1f_0"
#define GROUP14_PATH ASSIGND_GROUP_PREFIX "/14"
#define GROUP3_PATH ASSIGND_GROUP_PREFIX "/3"
#define ASSIGNMENT_PATH ASSIGND_ASSIGNMENT_PREFIX "/7"

typedef struct Fake {
        const FakeScript *script;
        sd_bus *bus;
        sd_event *event;
        int log;
        int lease;
        char *owner; /* of the assignment; NULL: there is none */
} Fake;

typedef int (*method_t)(Fake *fake, sd_bus_message *m);

static const char *backend(const Fake *fake) {
        return fake->script->backend ?: "iommufd";
}

static const char *name_of_nic0(const Fake *fake) {
        return fake->script->device_name ?: "82574L Gigabit Network Connection";
}

static void log_call(Fake *fake, sd_bus_message *m) {
        _cleanup_json_ json_t *arguments = NULL;
        _cleanup_free_ char *text = NULL;

        ck_assert_int_ge(json_read_all(m, &arguments), 0);
        ck_assert_int_ge(sd_bus_message_rewind(m, true), 0);
        text = json_dumps(arguments, JSON_COMPACT);
        ck_assert_int_gt(dprintf(fake->log, "%s %s\n", sd_bus_message_get_member(m), text), 0);
}

static int blockers_append(sd_bus_message *m) {
        return sd_bus_message_append(m, "aa{sv}", 2,
                                     4, "code", "s", "host-driver-stays", "device", "s", NIC1, "detail", "s", "It stays.", "overridable", "b", 1,
                                     4, "code", "s", "direct-mapping", "device", "s", "", "detail", "s", "Firmware maps memory.", "overridable", "b", 0);
}

static int no_blockers_append(sd_bus_message *m) {
        return sd_bus_message_append(m, "aa{sv}", 0);
}

static int member_append(sd_bus_message *m, const char *address, const char *role, const char *vendor, const char *device, const char *class,
                         const char *name, const char *driver, const char *override) {
        return sd_bus_message_append(m, "a{sv}", 8, "Address", "s", address, "Role", "s", role, "Vendor", "s", vendor, "Device", "s", device,
                                     "Class", "s", class, "Name", "s", name, "Driver", "s", driver, "DriverOverride", "s", override);
}

static int variant_open(sd_bus_message *m, const char *key, const char *type) {
        int r = sd_bus_message_open_container(m, 'e', "sv");

        if (r >= 0)
                r = sd_bus_message_append(m, "s", key);
        return r < 0 ? r : sd_bus_message_open_container(m, 'v', type);
}

static int variant_close(sd_bus_message *m) {
        int r = sd_bus_message_close_container(m);

        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int members14_append(Fake *fake, sd_bus_message *m) {
        const char *driver = fake->owner ? "vfio-pci" : "e1000e";

        ck_assert_int_ge(variant_open(m, "Members", "aa{sv}"), 0);
        ck_assert_int_ge(sd_bus_message_open_container(m, 'a', "a{sv}"), 0);
        ck_assert_int_ge(member_append(m, NIC1, "endpoint", "8086", "10d3", "020000", "82574L Gigabit Network Connection", driver, "mine"), 0);
        ck_assert_int_ge(member_append(m, NIC0, "endpoint", "8086", "10d3", "020000", name_of_nic0(fake), driver, ""), 0);
        ck_assert_int_ge(sd_bus_message_close_container(m), 0);
        return variant_close(m);
}

static int members3_append(sd_bus_message *m) {
        ck_assert_int_ge(variant_open(m, "Members", "aa{sv}"), 0);
        ck_assert_int_ge(sd_bus_message_open_container(m, 'a', "a{sv}"), 0);
        ck_assert_int_ge(member_append(m, BRIDGE, "bridge", "8086", "a110", "060400", "PCI Express Root Port", "pcieport", ""), 0);
        ck_assert_int_ge(sd_bus_message_close_container(m), 0);
        return variant_close(m);
}

static int group14_append(Fake *fake, sd_bus_message *m, bool members) {
        ck_assert_int_ge(sd_bus_message_open_container(m, 'a', "{sv}"), 0);
        ck_assert_int_ge(sd_bus_message_append(m, "{sv}{sv}{sv}{sv}{sv}{sv}", "Number", "u", 14, "State", "s", fake->owner ? "assigned" : "host",
                                               "Viable", "b", 1, "Owner", "s", fake->owner ?: "", "Label", "s", "", "DomainType", "s", "DMA"), 0);
        ck_assert_int_ge(sd_bus_message_append(m, "{sv}{sv}{sv}{sv}", "Devices", "ao", 2, NIC1_PATH, NIC0_PATH, "OtherMembers", "as", 0,
                                               "Assignment", "o", fake->owner ? ASSIGNMENT_PATH : "/", "Operation", "o", "/"), 0);
        ck_assert_int_ge(sd_bus_message_append(m, "{sv}", "Reserved", "b", 1), 0);
        ck_assert_int_ge(sd_bus_message_append(m, "{sv}{sv}", "Blockers", "aa{sv}", 0, "ReservedRegions", "a(tts)", 2,
                                               (uint64_t) 0xfee00000, (uint64_t) 0xfeefffff, "msi", (uint64_t) 0, UINT64_MAX, "direct"), 0);
        if (members)
                ck_assert_int_ge(members14_append(fake, m), 0);
        return sd_bus_message_close_container(m);
}

static int group3_append(sd_bus_message *m, bool members) {
        ck_assert_int_ge(sd_bus_message_open_container(m, 'a', "{sv}"), 0);
        ck_assert_int_ge(sd_bus_message_append(m, "{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}", "Number", "u", 3, "State", "s", "host", "Viable", "b", 0,
                                               "Owner", "s", "", "Label", "s", "", "DomainType", "s", "identity",
                                               "Devices", "ao", 1, BRIDGE_PATH, "Operation", "o", ASSIGND_OPERATION_PREFIX "/9"), 0);
        ck_assert_int_ge(variant_open(m, "Blockers", "aa{sv}"), 0);
        ck_assert_int_ge(blockers_append(m), 0);
        ck_assert_int_ge(variant_close(m), 0);
        if (members)
                ck_assert_int_ge(members3_append(m), 0);
        return sd_bus_message_close_container(m);
}

static int device_append(Fake *fake, sd_bus_message *m, const char *address) {
        bool loner = string_equal(address, LONER), bridge = string_equal(address, BRIDGE), second = string_equal(address, NIC1);

        return sd_bus_message_append(m, "a{sv}", 17,
                                     "Address", "s", address, "Vendor", "s", "8086", "Device", "s", bridge ? "a110" : loner ? "a145" : "10d3",
                                     "SubsystemVendor", "s", loner ? "" : "1af4", "SubsystemDevice", "s", loner ? "" : "1100",
                                     "Class", "s", bridge ? "060400" : "020000", "Revision", "s", "a1",
                                     "Name", "s", string_equal(address, NIC0) ? name_of_nic0(fake) : bridge ? "PCI Express Root Port" : "Something",
                                     "Role", "s", bridge ? "bridge" : "endpoint",
                                     "Driver", "s", loner ? "" : bridge ? "pcieport" : fake->owner ? "vfio-pci" : "e1000e",
                                     "DriverOverride", "s", second ? "mine" : "",
                                     "Group", "o", loner ? "/" : bridge ? GROUP3_PATH : GROUP14_PATH,
                                     "GroupNumber", "u", loner ? UINT32_MAX : bridge ? 3 : 14,
                                     "NumaNode", "i", loner ? -1 : 0, "ResetMethods", "as", 2, "flr", "bus",
                                     "PhysicalFunction", "s", "", "VirtualFunctions", "as", 0);
}

static const char *const device_paths[][2] = {
        { NIC1_PATH, NIC1 }, { LONER_PATH, LONER }, { NIC0_PATH, NIC0 }, { BRIDGE_PATH, BRIDGE },
};

static int list_groups(Fake *fake, sd_bus_message *m) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_json_ json_t *arguments = NULL;

        ck_assert_int_ge(json_read_all(m, &arguments), 0);
        ck_assert_int_ge(sd_bus_message_new_method_return(m, &reply), 0);
        ck_assert_int_ge(sd_bus_message_open_container(reply, 'a', "(oa{sv})"), 0);
        if (!fake->script->nothing) {
                ck_assert_int_ge(sd_bus_message_open_container(reply, 'r', "oa{sv}"), 0);
                ck_assert_int_ge(sd_bus_message_append(reply, "o", GROUP14_PATH), 0);
                ck_assert_int_ge(group14_append(fake, reply, true), 0);
                ck_assert_int_ge(sd_bus_message_close_container(reply), 0);
        }
        if (!fake->script->nothing && json_is_true(json_object_get(json_array_get(arguments, 0), "all"))) {
                ck_assert_int_ge(sd_bus_message_open_container(reply, 'r', "oa{sv}"), 0);
                ck_assert_int_ge(sd_bus_message_append(reply, "o", GROUP3_PATH), 0);
                ck_assert_int_ge(group3_append(reply, true), 0);
                ck_assert_int_ge(sd_bus_message_close_container(reply), 0);
        }
        ck_assert_int_ge(sd_bus_message_close_container(reply), 0);
        return sd_bus_send(NULL, reply, NULL);
}

static int list_devices(Fake *fake, sd_bus_message *m) {
        _cleanup_message_ sd_bus_message *reply = NULL;

        ck_assert_int_ge(sd_bus_message_new_method_return(m, &reply), 0);
        ck_assert_int_ge(sd_bus_message_open_container(reply, 'a', "(oa{sv})"), 0);
        for (size_t i = 0; i < ELEMENTSOF(device_paths) && !fake->script->nothing; i++) {
                ck_assert_int_ge(sd_bus_message_open_container(reply, 'r', "oa{sv}"), 0);
                ck_assert_int_ge(sd_bus_message_append(reply, "o", device_paths[i][0]), 0);
                ck_assert_int_ge(device_append(fake, reply, device_paths[i][1]), 0);
                ck_assert_int_ge(sd_bus_message_close_container(reply), 0);
        }
        ck_assert_int_ge(sd_bus_message_close_container(reply), 0);
        return sd_bus_send(NULL, reply, NULL);
}

static int get_device(Fake *fake, sd_bus_message *m) {
        const char *address;

        ck_assert_int_ge(sd_bus_message_read(m, "s", &address), 0);
        for (size_t i = 0; i < ELEMENTSOF(device_paths); i++)
                if (string_equal(address, device_paths[i][1]) || string_equal(address, device_paths[i][1] + strlen("0000:")))
                        return sd_bus_reply_method_return(m, "o", device_paths[i][0]);
        return sd_bus_reply_method_errorf(m, ASSIGND_ERROR_NO_SUCH_DEVICE, "There is no device %s.", address);
}

static int get_group(Fake *fake, sd_bus_message *m) {
        uint32_t number;

        ck_assert_int_ge(sd_bus_message_read(m, "u", &number), 0);
        if (number == 14 || number == 3)
                return sd_bus_reply_method_return(m, "o", number == 14 ? GROUP14_PATH : GROUP3_PATH);
        return sd_bus_reply_method_errorf(m, ASSIGND_ERROR_NO_SUCH_GROUP, "There is no group %u.", number);
}

static const char *address_of(unsigned i, char ret[static 16]) {
        (void) snprintf(ret, 16, "0000:%02x:00.0", 0x40 + i);
        return ret;
}

static int assigned_devices_append(Fake *fake, sd_bus_message *m) {
        char address[16];

        if (fake->script->n_devices == 0)
                return sd_bus_message_append(m, "{sv}", "Devices", "as", 2, NIC1, NIC0);
        ck_assert_int_ge(variant_open(m, "Devices", "as"), 0);
        ck_assert_int_ge(sd_bus_message_open_container(m, 'a', "s"), 0);
        for (unsigned i = 0; i < fake->script->n_devices; i++)
                ck_assert_int_ge(sd_bus_message_append(m, "s", address_of(i, address)), 0);
        ck_assert_int_ge(sd_bus_message_close_container(m), 0);
        return variant_close(m);
}

static int assignment_append(Fake *fake, sd_bus_message *m) {
        ck_assert_int_ge(sd_bus_message_open_container(m, 'a', "{sv}"), 0);
        ck_assert_int_ge(sd_bus_message_append(m, "{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}", "Id", "t", (uint64_t) 7, "Owner", "s", fake->owner,
                                               "Uid", "u", 0, "State", "s", "active", "Label", "s", "", "Backend", "s", backend(fake),
                                               "NodeAccess", "a{sv}", 3, "user", "u", 1000, "group", "u", 36, "mode", "u", 0640, "Lease", "b", fake->lease >= 0, "CreatedUSec", "t", (uint64_t) 1, "Groups", "ao", 1, GROUP14_PATH,
                                               "Companions", "as", fake->script->n_devices == 0, NIC1), 0);
        ck_assert_int_ge(assigned_devices_append(fake, m), 0);
        return sd_bus_message_close_container(m);
}

static int properties_append(Fake *fake, sd_bus_message *m, const char *path) {
        if (string_equal(path, GROUP14_PATH))
                return group14_append(fake, m, false);
        if (string_equal(path, GROUP3_PATH))
                return group3_append(m, false);
        if (string_equal(path, ASSIGNMENT_PATH) && fake->owner)
                return assignment_append(fake, m);
        for (size_t i = 0; i < ELEMENTSOF(device_paths); i++)
                if (string_equal(path, device_paths[i][0]))
                        return device_append(fake, m, device_paths[i][1]);
        return -ENOENT;
}

static int get_all(Fake *fake, sd_bus_message *m) {
        _cleanup_message_ sd_bus_message *reply = NULL;

        ck_assert_int_ge(sd_bus_message_new_method_return(m, &reply), 0);
        if (properties_append(fake, reply, sd_bus_message_get_path(m)) < 0)
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_UNKNOWN_OBJECT, "There is no object %s.", sd_bus_message_get_path(m));
        return sd_bus_send(NULL, reply, NULL);
}

static int get(Fake *fake, sd_bus_message *m) {
        const char *interface, *property;

        ck_assert_int_ge(sd_bus_message_read(m, "ss", &interface, &property), 0);
        return sd_bus_reply_method_return(m, "v", "s", string_equal(property, "Backend") ? backend(fake) : "ok");
}

static int explain(Fake *fake, sd_bus_message *m) {
        _cleanup_message_ sd_bus_message *reply = NULL;

        ck_assert_int_ge(sd_bus_message_new_method_return(m, &reply), 0);
        ck_assert_int_ge(sd_bus_message_open_container(reply, 'a', "{sv}"), 0);
        ck_assert_int_ge(sd_bus_message_append(reply, "{sv}", "Text", "s", "Group 14 is viable.\nIts members are \x1b[31mtwo."), 0);
        ck_assert_int_ge(variant_open(reply, "Blockers", "aa{sv}"), 0);
        ck_assert_int_ge(blockers_append(reply), 0);
        ck_assert_int_ge(variant_close(reply), 0);
        ck_assert_int_ge(sd_bus_message_close_container(reply), 0);
        return sd_bus_send(NULL, reply, NULL);
}

static int step_append(sd_bus_message *m, const char *action, const char *device, const char *value, const char *prior, unsigned phase) {
        return sd_bus_message_append(m, "a{sv}", 6, "action", "s", action, "device", "s", device, "group", "u", *device ? 14U : UINT32_MAX,
                                     "value", "s", value, "prior", "s", prior, "phase", "u", phase);
}

static int steps_append(sd_bus_message *m, bool possible) {
        ck_assert_int_ge(variant_open(m, "steps", "aa{sv}"), 0);
        ck_assert_int_ge(sd_bus_message_open_container(m, 'a', "a{sv}"), 0);
        if (possible) {
                ck_assert_int_ge(step_append(m, "load-module", "", "vfio-pci", "", 0), 0);
                ck_assert_int_ge(step_append(m, "set-override", NIC0, "vfio-pci", "", 1), 0);
                ck_assert_int_ge(step_append(m, "set-override", NIC1, "vfio-pci", "mine", 1), 0);
                ck_assert_int_ge(step_append(m, "unbind", NIC0, "e1000e", "", 2), 0);
                ck_assert_int_ge(step_append(m, "bind", NIC0, "vfio-pci", "", 3), 0);
        }
        ck_assert_int_ge(sd_bus_message_close_container(m), 0);
        return variant_close(m);
}

static int plan(Fake *fake, sd_bus_message *m) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *error = fake->script->plan_error;

        ck_assert_int_ge(sd_bus_message_new_method_return(m, &reply), 0);
        ck_assert_int_ge(sd_bus_message_open_container(reply, 'a', "{sv}"), 0);
        ck_assert_int_ge(sd_bus_message_append(reply, "{sv}{sv}{sv}", "possible", "b", !error, "error", "s", error ?: "", "message", "s", error ? "It stays." : ""), 0);
        ck_assert_int_ge(sd_bus_message_append(reply, "{sv}{sv}{sv}", "devices", "as", 2, NIC0, NIC1, "companions", "as", 1, NIC1, "groups", "au", 1, 14), 0);
        ck_assert_int_ge(sd_bus_message_append(reply, "{sv}", "differences", "as", fake->script->plan_difference ? 1 : 0, fake->script->plan_difference), 0);
        ck_assert_int_ge(steps_append(reply, !error), 0);
        ck_assert_int_ge(variant_open(reply, "blockers", "aa{sv}"), 0);
        ck_assert_int_ge(error ? blockers_append(reply) : no_blockers_append(reply), 0);
        ck_assert_int_ge(variant_close(reply), 0);
        ck_assert_int_ge(sd_bus_message_close_container(reply), 0);
        return sd_bus_send(NULL, reply, NULL);
}

static void emit(Fake *fake, const char *member, const char *word) {
        ck_assert_int_ge(sd_bus_emit_signal(fake->bus, ASSIGND_MANAGER_PATH, ASSIGND_MANAGER_INTERFACE, member, "os", ASSIGNMENT_PATH, word), 0);
}

static void group_changed(Fake *fake) {
        ck_assert_int_ge(sd_bus_emit_signal(fake->bus, GROUP14_PATH, "org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as",
                                            ASSIGND_GROUP_INTERFACE, 3, "State", "s", fake->owner ? "assigned" : "host",
                                            "Owner", "s", fake->owner ?: "", "Assignment", "o", "/", 0), 0);
}

static void give_back(Fake *fake) {
        char *owner = TAKE_PTR(fake->owner);

        if (!owner)
                return;
        group_changed(fake);
        emit(fake, "AssignmentRemoved", owner);
        free(owner);
}

static int on_lease(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Fake *fake = userdata;

        (void) sd_event_source_set_enabled(s, SD_EVENT_OFF);
        ck_assert_int_gt(dprintf(fake->log, "lease-closed\n"), 0);
        give_back(fake);
        return 0;
}

static void take_owner(Fake *fake, sd_bus_message *m) {
        const char *owner;

        ck_assert_int_ge(sd_bus_message_read(m, "s", &owner), 0);
        fake->owner = strdup(owner);
        group_changed(fake);
        emit(fake, "AssignmentNew", owner);
}

static int assign(Fake *fake, sd_bus_message *m) {
        take_owner(fake, m);
        return sd_bus_reply_method_return(m, "o", ASSIGNMENT_PATH);
}

static int assign_with_lease(Fake *fake, sd_bus_message *m) {
        int pair[2], r;

        take_owner(fake, m);
        ck_assert_int_ge(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        fake->lease = pair[0];
        ck_assert_int_ge(sd_event_add_io(fake->event, NULL, fake->lease, EPOLLIN, on_lease, fake), 0);
        r = sd_bus_reply_method_return(m, "oh", ASSIGNMENT_PATH, pair[1]);
        (void) close(pair[1]);
        return r;
}

static int release(Fake *fake, sd_bus_message *m) {
        give_back(fake);
        return sd_bus_reply_method_return(m, "");
}

static int answer_empty(Fake *fake, sd_bus_message *m) {
        return sd_bus_reply_method_return(m, "");
}

/* An fd that says what it is. */
static int labelled_fd(const char *label) {
        int fd = memfd_create(label, MFD_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, label, strlen(label)), (ssize_t) strlen(label));
        return fd;
}

/* The devices that the option names, or all. */
static int open_named(Fake *fake, sd_bus_message *m) {
        _cleanup_close_ int shared = labelled_fd("iommufd");
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_json_ json_t *arguments = NULL;
        const json_t *named;
        char address[16];

        ck_assert_int_ge(json_read_all(m, &arguments), 0);
        named = json_object_get(json_array_get(arguments, 0), "devices");
        ck_assert_int_ge(sd_bus_message_new_method_return(m, &reply), 0);
        ck_assert_int_ge(sd_bus_message_append(reply, "sa{sh}", "iommufd", 1, "iommufd", shared), 0);
        ck_assert_int_ge(sd_bus_message_open_container(reply, 'a', "(sh)"), 0);
        for (unsigned i = 0; i < (named ? json_array_size(named) : fake->script->n_devices); i++) {
                const char *name = named ? json_string_value(json_array_get(named, i)) : address_of(i, address);
                _cleanup_close_ int device = labelled_fd(name);

                ck_assert_int_ge(sd_bus_message_append(reply, "(sh)", name, device), 0);
        }
        ck_assert_int_ge(sd_bus_message_close_container(reply), 0);
        return sd_bus_send(NULL, reply, NULL);
}

static int open_devices(Fake *fake, sd_bus_message *m) {
        _cleanup_close_ int device0 = labelled_fd(NIC0), device1 = labelled_fd(NIC1), shared = -EBADF, group = -EBADF;

        if (fake->script->n_devices > 0)
                return open_named(fake, m);
        if (string_equal(backend(fake), "iommufd")) {
                shared = labelled_fd("iommufd");
                return sd_bus_reply_method_return(m, "sa{sh}a(sh)", "iommufd", 1, "iommufd", shared, 2, NIC0, device0, NIC1, device1);
        }
        shared = labelled_fd("container");
        group = labelled_fd("group 14");
        return sd_bus_reply_method_return(m, "sa{sh}a(sh)", "group", 2, "container", shared, "group:14", group, 2, NIC0, device0, NIC1, device1);
}

static int overridden_entry_append(sd_bus_message *m, uint64_t id) {
        return sd_bus_message_append(m, "(ta{sv})", id, 7, "at_usec", "t", (uint64_t) 1767323045000000 + id * USEC_PER_SEC, "verb", "s", "assign",
                                     "owner", "s", "vm:web1", "uid", "u", 0, "devices", "as", 2, NIC0, NIC1, "outcome", "s", "done",
                                     "blockers", "aa{sv}", 2, 4, "code", "s", "in-use-network", "device", "s", NIC0, "detail", "s", "It has an address.",
                                     "overridden", "b", 1, 4, "code", "s", "in-use-network", "device", "s", NIC1, "detail", "s", "So has it.",
                                     "overridden", "b", 1);
}

static int audit_entry_append(sd_bus_message *m, uint64_t id) {
        bool refused = id % 2 == 0;

        return sd_bus_message_append(m, "(ta{sv})", id, 10, "at_usec", "t", (uint64_t) 1767323045000000 + id * USEC_PER_SEC, "verb", "s", "assign",
                                     "owner", "s", "vm:web1", "uid", "u", 0, "pid", "u", 321, "targets", "as", 1, "02:00.0",
                                     "devices", "as", refused ? 0 : 2, NIC0, NIC1,
                                     "outcome", "s", "done", "error", "s", "", "message", "s", "");
}

static int refused_entry_append(sd_bus_message *m, uint64_t id) {
        return sd_bus_message_append(m, "(ta{sv})", id, 10, "at_usec", "t", (uint64_t) 1767323045000000 + id * USEC_PER_SEC, "verb", "s", "assign",
                                     "owner", "s", "", "uid", "u", 1000, "pid", "u", 0, "targets", "as", 1, "02:00.0", "devices", "as", 0,
                                     "outcome", "s", "refused", "error", "s", ASSIGND_ERROR_NOT_VIABLE, "message", "s", "Not \x1b[1mviable.");
}

static int list_audit(Fake *fake, sd_bus_message *m) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_json_ json_t *arguments = NULL;
        uint64_t after, max, n = fake->script->audit_entries;
        bool newest_first;

        ck_assert_int_ge(json_read_all(m, &arguments), 0);
        ck_assert_int_ge(json_u64(json_array_get(arguments, 0), &after), 0);
        ck_assert_int_ge(json_u64(json_array_get(arguments, 2), &max), 0);
        newest_first = json_is_true(json_object_get(json_array_get(arguments, 1), "newest_first"));

        ck_assert_int_ge(sd_bus_message_new_method_return(m, &reply), 0);
        ck_assert_int_ge(sd_bus_message_open_container(reply, 'a', "(ta{sv})"), 0);
        for (uint64_t i = 0; i < max && i + after < n; i++) {
                uint64_t id = newest_first ? n - i : after + i + 1;

                if (fake->script->audit_overridden)
                        ck_assert_int_ge(overridden_entry_append(reply, id), 0);
                else
                        ck_assert_int_ge(id % 2 == 0 ? refused_entry_append(reply, id) : audit_entry_append(reply, id), 0);
        }
        ck_assert_int_ge(sd_bus_message_close_container(reply), 0);
        return sd_bus_send(NULL, reply, NULL);
}

static int export_audit(Fake *fake, sd_bus_message *m) {
        _cleanup_close_ int file = open(fake->script->audit_file, O_RDONLY | O_CLOEXEC), fd = memfd_create("audit", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        char buffer[4096];
        ssize_t n;

        ck_assert_int_ge(file, 0);
        while ((n = read(file, buffer, sizeof(buffer))) > 0)
                ck_assert_int_eq(write(fd, buffer, (size_t) n), n);
        ck_assert_int_ge(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
        return sd_bus_reply_method_return(m, "h", fd);
}

static const struct {
        const char *member;
        method_t method;
} methods[] = {
        { "ListGroups", list_groups },
        { "ListDevices", list_devices },
        { "GetDevice", get_device },
        { "GetGroup", get_group },
        { "GetAll", get_all },
        { "Get", get },
        { "Explain", explain },
        { "Plan", plan },
        { "Assign", assign },
        { "AssignWithLease", assign_with_lease },
        { "Release", release },
        { "Recover", answer_empty },
        { "Reserve", answer_empty },
        { "Unreserve", answer_empty },
        { "OpenDevices", open_devices },
        { "ListAudit", list_audit },
        { "ExportAudit", export_audit },
};

static int reply_failure(Fake *fake, sd_bus_message *m) {
        const sd_bus_error error = SD_BUS_ERROR_MAKE_CONST(fake->script->fail_name, NULL);
        _cleanup_message_ sd_bus_message *reply = NULL;

        ck_assert_int_ge(sd_bus_message_new_method_error(m, &reply, &error), 0);
        ck_assert_int_ge(sd_bus_message_append(reply, "s", fake->script->fail_message ?: "It failed."), 0);
        ck_assert_int_ge(fake->script->fail_with_blockers ? blockers_append(reply) : no_blockers_append(reply), 0);
        return sd_bus_send(NULL, reply, NULL);
}

static int on_call(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *member = sd_bus_message_get_member(m);
        Fake *fake = userdata;
        int r;

        if (!sd_bus_message_is_method_call(m, NULL, NULL))
                return 0;
        log_call(fake, m);
        if (string_equal(member, fake->script->fail_member) && (!fake->script->fail_path || string_equal(sd_bus_message_get_path(m), fake->script->fail_path)))
                return reply_failure(fake, m) < 0 ? -EIO : 1;
        if (string_equal(member, fake->script->drop_member))
                return sd_event_exit(fake->event, 0) < 0 ? -EIO : 1;
        if (string_equal(member, fake->script->wrong_member))
                return sd_bus_reply_method_return(m, "i", 1);

        for (size_t i = 0; i < ELEMENTSOF(methods); i++)
                if (string_equal(member, methods[i].member)) {
                        r = methods[i].method(fake, m);
                        return r < 0 ? r : 1;
                }
        return 0;
}

static _Noreturn void fake_run(const char *address, const FakeScript *script, int log, int ready) {
        Fake fake = { .script = script, .log = log, .lease = -EBADF };

        ck_assert_int_ge(prctl(PR_SET_PDEATHSIG, SIGKILL), 0);
        ck_assert_int_ge(sd_event_new(&fake.event), 0);
        ck_assert_int_ge(sd_bus_new(&fake.bus), 0);
        ck_assert_int_ge(sd_bus_set_address(fake.bus, address), 0);
        ck_assert_int_ge(sd_bus_set_bus_client(fake.bus, true), 0);
        ck_assert_int_ge(sd_bus_negotiate_fds(fake.bus, true), 0);
        ck_assert_int_ge(sd_bus_start(fake.bus), 0);
        ck_assert_int_ge(sd_bus_add_fallback(fake.bus, NULL, ASSIGND_MANAGER_PATH, on_call, &fake), 0);
        ck_assert_int_ge(sd_bus_attach_event(fake.bus, fake.event, SD_EVENT_PRIORITY_NORMAL), 0);
        ck_assert_int_ge(sd_bus_request_name(fake.bus, ASSIGND_BUS_NAME, 0), 0);
        ck_assert_int_eq(write(ready, "!", 1), 1);
        (void) close(ready);

        (void) sd_event_loop(fake.event);
        sd_bus_close_unref(fake.bus);
        _exit(EXIT_SUCCESS);
}

pid_t fake_start(const char *address, const FakeScript *script, int *ret_log) {
        int log[2], ready[2];
        char byte;
        pid_t pid;

        ck_assert_int_ge(pipe2(log, O_CLOEXEC), 0);
        ck_assert_int_ge(pipe2(ready, O_CLOEXEC), 0);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                (void) close(log[0]);
                (void) close(ready[0]);
                fake_run(address, script, log[1], ready[1]);
        }

        (void) close(log[1]);
        (void) close(ready[1]);
        ck_assert_int_eq(read(ready[0], &byte, 1), 1);
        (void) close(ready[0]);
        *ret_log = log[0];
        return pid;
}
