// SPDX-License-Identifier: Apache-2.0
// Every value of table.parquet and of table.jsonl, read by others, equals the cell of table.csv.
import { readFileSync } from 'node:fs'
import { readCsv } from './csv.mjs'

let hyparquet, compressors
try {
  hyparquet = await import('hyparquet')
  compressors = (await import('hyparquet-compressors')).compressors
} catch (e) {
  console.log(`the npm packages are not there (npm ci in tests/export): ${e.code}`)
  process.exit(77)
}
const folder = process.argv[2]
const csv = readCsv(`${folder}/table.csv`)
let bad = 0
function check(ok, what) {
  if (!ok && bad++ < 10) console.log(`not ok: ${what}`)
}

const file = await hyparquet.asyncBufferFromFile(`${folder}/table.parquet`)
const metadata = await hyparquet.parquetMetadataAsync(file)
check(Number(metadata.num_rows) === csv.rows.length, 'number of rows')
check(metadata.row_groups.length === 3, `row groups: ${metadata.row_groups.length}`)
check(metadata.created_by.startsWith('sluice version '), metadata.created_by)
const keys = Object.fromEntries(metadata.key_value_metadata.map((k) => [k.key, JSON.parse(k.value)]))
check(keys['sluice.provenance'].seed === 1, 'provenance')
check(keys['sluice.schema'].columns.length === csv.header.length, 'schema in the metadata')
const start = metadata.schema.find((s) => s.name === 'start')
check(start.logical_type.type === 'TIMESTAMP' && start.logical_type.unit === 'NANOS' &&
  start.logical_type.isAdjustedToUTC, 'the type of a time')

const raw = (v) => v // times stay nanoseconds
const rows = []
await hyparquet.parquetRead({
  file, metadata, compressors, rowFormat: 'object',
  parsers: { ...hyparquet.DEFAULT_PARSERS, timestampFromNanoseconds: raw },
  onComplete: (data) => rows.push(...data)
})
const types = Object.fromEntries(keys['sluice.schema'].columns.map((c) => [c.name, c.type]))
const decimals = Object.fromEntries(keys['sluice.schema'].columns.map((c) => [c.name, c.decimals]))
function cell(name, v) {
  if (v === null || v === undefined) return null
  if (types[name] === 'real') return decimals[name] ? Number(v.toFixed(decimals[name])) : v
  if (types[name] === 'bool') return v ? '1' : '0'
  return String(v)
}
const least = {}, greatest = {}, nulls = {}
const jsonl = readFileSync(`${folder}/table.jsonl`, 'utf8').trimEnd().split('\n')
check(rows.length === csv.rows.length && jsonl.length === csv.rows.length, 'rows that were read')
csv.rows.forEach((expected, i) => {
  // JSON's numbers become doubles here, so whole numbers are compared as doubles.
  const object = JSON.parse(jsonl[i])
  csv.header.forEach((name, k) => {
    let want = expected[k]
    if (types[name] === 'real' && want !== null) want = Number(want)
    const got = cell(name, rows[i][name])
    check(Object.is(got, want), `row ${i}, ${name}: '${got}' instead of '${want}'`)
    if (want === null) nulls[name] = (nulls[name] ?? 0) + 1
    let json = object[name]
    if (types[name] === 'list' && json) json = json.join(' ')
    if (['int', 'time'].includes(types[name]) && want !== null) want = Number(want)
    if (types[name] === 'bool' && want !== null) want = want === '1'
    check(Object.is(json, want), `line ${i}, ${name}: '${json}' instead of '${want}'`)
    const v = rows[i][name]
    if (v === null || v === undefined || ['text', 'list', 'bool'].includes(types[name])) return
    if (!(v >= least[name])) least[name] = v
    if (!(v <= greatest[name])) greatest[name] = v
  })
})
csv.header.forEach((name, k) => {
  const all = metadata.row_groups.map((g) => g.columns[k].meta_data.statistics)
  check(all.reduce((n, s) => n + Number(s.null_count), 0) === (nulls[name] ?? 0), `nulls of ${name}`)
  if (!(name in least) || types[name] === 'time') return
  check(all.reduce((m, s) => (s.min_value < m ? s.min_value : m), all[0].min_value) == least[name], `least ${name}`)
  check(all.reduce((m, s) => (s.max_value > m ? s.max_value : m), all[0].max_value) == greatest[name], `greatest ${name}`)
})
console.log(`${csv.rows.length} rows of ${csv.header.length} columns, ${bad} differences`)
process.exit(bad ? 1 : 0)
