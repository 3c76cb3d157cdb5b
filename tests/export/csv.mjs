// SPDX-License-Identifier: Apache-2.0
// RFC 4180, as far as the tables here use it: null is an empty cell, "" is empty text.
import { readFileSync } from 'node:fs'

export function readCsv(path) {
  const text = readFileSync(path, 'utf8')
  const rows = []
  let row = [], at = 0
  while (at < text.length) {
    let value = null
    if (text[at] === '"') {
      let end = at + 1
      value = ''
      for (;;) {
        const quote = text.indexOf('"', end)
        value += text.slice(end, quote)
        end = quote + 1
        if (text[end] !== '"') break
        value += '"'
        end++
      }
      at = end
    } else {
      let end = at
      while (text[end] !== ',' && text[end] !== '\n') end++
      if (end > at) value = text.slice(at, end)
      at = end
    }
    row.push(value)
    if (text[at++] === '\n') {
      rows.push(row)
      row = []
    }
  }
  return { header: rows.shift(), rows }
}
