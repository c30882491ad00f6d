/* Aim: the record tree is RFC 6962's, and a path proves exactly one leaf at one place.
 * Method: the known roots of the certificate-transparency test leaves for 0 to 8 leaves; for every
 * tree up to 40 leaves, every path checks, and fails with any bit, place, size or length changed.
 */
#include "manifest_fixture.h"

#include "manifest/proofs/merkle.h"

#include <string.h>

static const char *const leaves_hex[8] = {"",
                                          "00",
                                          "10",
                                          "2021",
                                          "3031",
                                          "40414243",
                                          "5051525354555657",
                                          "606162636465666768696a6b6c6d6e6f"};
static const char *const roots_hex[9] = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};

static void assert_hash(const plumb__hash *hash, const char *expected)
{
    char hex[PLUMB__HASH_HEX_BYTES];
    plumb__hash_hex(hash, hex);
    assert_string_equal(hex, expected);
}

static void known_roots(void **state)
{
    (void)state;
    plumb__merkle tree;
    plumb__hash leaves[8];
    plumb__merkle_init(&tree);
    for (size_t n = 0; n <= 8; n++) {
        const plumb__hash root = plumb__merkle_root(&tree);
        const plumb__hash of_array = plumb__merkle_root_of(leaves, n);
        assert_hash(&root, roots_hex[n]);
        assert_hash(&of_array, roots_hex[n]);
        if (n == 8) break;
        uint8_t data[16];
        const size_t size = strlen(leaves_hex[n]) / 2;
        decode_hex(leaves_hex[n], data, size);
        leaves[n] = plumb__merkle_leaf(data, size);
        plumb__merkle_add(&tree, &leaves[n]);
    }
}

/* The inclusion proof of leaf 5 of 8 in the same test suite. */
static void known_path(void **state)
{
    (void)state;
    static const char *const expected[3] = {
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"};
    plumb__hash leaves[8], path[64];
    for (size_t i = 0; i < 8; i++) {
        uint8_t data[16];
        const size_t size = strlen(leaves_hex[i]) / 2;
        decode_hex(leaves_hex[i], data, size);
        leaves[i] = plumb__merkle_leaf(data, size);
    }
    assert_int_equal(plumb__merkle_path(leaves, 8, 5, path), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_hash(&path[i], expected[i]);
    }
}

static void check_one(const plumb__hash *leaves, uint64_t n, uint64_t i)
{
    plumb__hash path[64];
    const plumb__hash root = plumb__merkle_root_of(leaves, n);
    const size_t length = plumb__merkle_path(leaves, n, i, path);
    assert_true(plumb__merkle_check(&leaves[i], i, n, path, length, &root));
    for (uint64_t k = 0; k < n; k++) {
        if (k == i) continue;
        assert_false(plumb__merkle_check(&leaves[k], i, n, path, length, &root));
        assert_false(plumb__merkle_check(&leaves[i], k, n, path, length, &root));
    }
    assert_false(plumb__merkle_check(&leaves[i], n, n, path, length, &root));
    if (length > 0) assert_false(plumb__merkle_check(&leaves[i], i, n, path, length - 1, &root));
    path[length] = root;
    assert_false(plumb__merkle_check(&leaves[i], i, n, path, length + 1, &root));
    for (size_t p = 0; p < length; p++) {
        path[p].bytes[p % PLUMB__HASH_BYTES] ^= 1;
        assert_false(plumb__merkle_check(&leaves[i], i, n, path, length, &root));
        path[p].bytes[p % PLUMB__HASH_BYTES] ^= 1;
    }
}

static void all_paths(void **state)
{
    (void)state;
    plumb__hash leaves[40];
    for (uint8_t i = 0; i < 40; i++) {
        leaves[i] = plumb__merkle_leaf(&i, 1);
    }
    for (uint64_t n = 1; n <= 40; n++) {
        for (uint64_t i = 0; i < n; i++) {
            check_one(leaves, n, i);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_roots),
        cmocka_unit_test(known_path),
        cmocka_unit_test(all_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
