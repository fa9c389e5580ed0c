// SPDX-License-Identifier: BSD-2-Clause
// The tests of the page in browsers; tests/run/web-page.py starts them.
import './map.mjs';
import './time.mjs';
import './page.mjs';
import './firefox.mjs';
import { main } from './rig.mjs';

main();
