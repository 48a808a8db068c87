/* The grammar of TraceQL. `python3 src/traceql/grammar.py` (needs bison 3.8) turns it into grammar_tables.{c,h},
 * which are in the tree: the build needs neither. The driver is parse.c, the actions named here are build.c's.
 *
 * The order of the tokens and the shape of the rules show in error texts ("expecting = or !=" lists the tokens
 * that can be shifted, in the order below, when there are at most four), so both follow what clients know.
 * The right-hand string of a token is what errors print. */

%token IDENTIFIER "IDENTIFIER"
%token STRING "STRING"
%token INTEGER "INTEGER"
%token FLOAT "FLOAT"
%token DURATION "DURATION"
%token DOT "."
%token OPEN_BRACE "{"
%token CLOSE_BRACE "}"
%token OPEN_PARENS "("
%token CLOSE_PARENS ")"
%token COMMA ","
%token NIL "nil"
%token TRUE "true"
%token FALSE "false"
%token STATUS_ERROR "error"
%token STATUS_OK "ok"
%token STATUS_UNSET "unset"
%token KIND_UNSPECIFIED "unspecified"
%token KIND_INTERNAL "internal"
%token KIND_SERVER "server"
%token KIND_CLIENT "client"
%token KIND_PRODUCER "producer"
%token KIND_CONSUMER "consumer"
%token IDURATION "duration"
%token CHILDCOUNT "childCount"
%token NAME "name"
%token STATUS "status"
%token STATUS_MESSAGE "statusMessage"
%token PARENT "parent"
%token KIND "kind"
%token ROOTNAME "rootName"
%token ROOTSERVICENAME "rootServiceName"
%token ROOTSERVICE "rootService"
%token TRACEDURATION "traceDuration"
%token NESTEDSETLEFT "nestedSetLeft"
%token NESTEDSETRIGHT "nestedSetRight"
%token NESTEDSETPARENT "nestedSetParent"
%token ID "id"
%token TRACE_ID "traceID"
%token SPAN_ID "spanID"
%token PARENT_ID "parentID"
%token TIMESINCESTART "timeSinceStart"
%token VERSION "version"
%token PARENT_DOT "parent."
%token RESOURCE_DOT "resource."
%token SPAN_DOT "span."
%token TRACE_COLON "trace:"
%token SPAN_COLON "span:"
%token EVENT_COLON "event:"
%token EVENT_DOT "event."
%token LINK_COLON "link:"
%token LINK_DOT "link."
%token INSTRUMENTATION_COLON "instrumentation:"
%token INSTRUMENTATION_DOT "instrumentation."
%token COUNT "count"
%token AVG "avg"
%token MAX "max"
%token MIN "min"
%token SUM "sum"
%token BY "by"
%token COALESCE "coalesce"
%token SELECT "select"
%token END_ATTRIBUTE "END_ATTRIBUTE"
%token RATE "rate"
%token COUNT_OVER_TIME "count_over_time"
%token MIN_OVER_TIME "min_over_time"
%token MAX_OVER_TIME "max_over_time"
%token AVG_OVER_TIME "avg_over_time"
%token SUM_OVER_TIME "sum_over_time"
%token QUANTILE_OVER_TIME "quantile_over_time"
%token HISTOGRAM_OVER_TIME "histogram_over_time"
%token COMPARE "compare"
%token TOPK "topk"
%token BOTTOMK "bottomk"
%token WITH "with"
%token PIPE "|"
%token AND "&&"
%token OR "||"
%token EQ "="
%token NEQ "!="
%token LT "<"
%token LTE "<="
%token GT ">"
%token GTE ">="
%token NRE "!~"
%token RE "=~"
%token DESC ">>"
%token ANCE "<<"
%token SIBL "~"
%token NOT_CHILD "!>"
%token NOT_PARENT "!<"
%token NOT_DESC "!>>"
%token NOT_ANCE "!<<"
%token UNION_CHILD "&>"
%token UNION_PARENT "&<"
%token UNION_DESC "&>>"
%token UNION_ANCE "&<<"
%token UNION_SIBL "&~"
%token ADD "+"
%token SUB "-"
%token NOT "!"
%token MUL "*"
%token DIV "/"
%token MOD "%"
%token POW "^"

%left PIPE
%left AND OR
%left EQ NEQ LT LTE GT GTE NRE RE DESC ANCE SIBL NOT_CHILD NOT_PARENT NOT_DESC NOT_ANCE UNION_CHILD UNION_PARENT UNION_DESC UNION_ANCE UNION_SIBL
%left ADD SUB
%left NOT
%left MUL DIV MOD
%right POW

%start root
%%
root:
    pipeline                                       { root_pipeline }
  | pipe_expr                                      { root_pipe_expr }
  | pipe_scalar_filter                             { root_scalar }
  | pipeline PIPE metric                           { root_metric }
  | pipeline PIPE metric second_stages             { root_metric_stages }
  | root hints                                     { root_hints }
  ;

pipe_expr:
    OPEN_PARENS pipe_expr CLOSE_PARENS             { second }
  | pipe_expr AND pipe_expr                        { set_op }
  | pipe_expr OR pipe_expr                         { set_op }
  | pipe_expr GT pipe_expr                         { set_op }
  | pipe_expr LT pipe_expr                         { set_op }
  | pipe_expr DESC pipe_expr                       { set_op }
  | pipe_expr ANCE pipe_expr                       { set_op }
  | pipe_expr SIBL pipe_expr                       { set_op }
  | pipe_expr NOT_CHILD pipe_expr                  { set_op }
  | pipe_expr NOT_PARENT pipe_expr                 { set_op }
  | pipe_expr NRE pipe_expr                        { set_op }
  | pipe_expr NOT_DESC pipe_expr                   { set_op }
  | pipe_expr NOT_ANCE pipe_expr                   { set_op }
  | pipe_expr UNION_CHILD pipe_expr                { set_op }
  | pipe_expr UNION_PARENT pipe_expr               { set_op }
  | pipe_expr UNION_DESC pipe_expr                 { set_op }
  | pipe_expr UNION_ANCE pipe_expr                 { set_op }
  | pipe_expr UNION_SIBL pipe_expr                 { set_op }
  | wrapped_pipeline                               { first }
  ;

wrapped_pipeline:
    OPEN_PARENS pipeline CLOSE_PARENS              { wrapped }
  ;

pipeline:
    spanset_expr                                   { pipeline_first }
  | scalar_filter                                  { pipeline_first }
  | group                                          { pipeline_first }
  | select                                         { pipeline_first }
  | pipeline PIPE spanset_expr                     { pipeline_next }
  | pipeline PIPE scalar_filter                    { pipeline_next }
  | pipeline PIPE group                            { pipeline_next }
  | pipeline PIPE coalesce                         { pipeline_next }
  | pipeline PIPE select                           { pipeline_next }
  ;

group:
    BY OPEN_PARENS field_expr CLOSE_PARENS         { group }
  ;

coalesce:
    COALESCE OPEN_PARENS CLOSE_PARENS              { coalesce }
  ;

select:
    SELECT OPEN_PARENS attribute_list CLOSE_PARENS { select }
  ;

attribute_list:
    attribute                                      { attrs_first }
  | attribute_list COMMA attribute                 { attrs_next }
  ;

attribute:
    intrinsic                                      { first }
  | attribute_field                                { first }
  | scoped_intrinsic                               { first }
  ;

spanset_expr:
    OPEN_PARENS spanset_expr CLOSE_PARENS          { second }
  | spanset_expr AND spanset_expr                  { set_op }
  | spanset_expr OR spanset_expr                   { set_op }
  | spanset_expr GT spanset_expr                   { set_op }
  | spanset_expr LT spanset_expr                   { set_op }
  | spanset_expr DESC spanset_expr                 { set_op }
  | spanset_expr ANCE spanset_expr                 { set_op }
  | spanset_expr SIBL spanset_expr                 { set_op }
  | spanset_expr NOT_CHILD spanset_expr            { set_op }
  | spanset_expr NOT_PARENT spanset_expr           { set_op }
  | spanset_expr NRE spanset_expr                  { set_op }
  | spanset_expr NOT_DESC spanset_expr             { set_op }
  | spanset_expr NOT_ANCE spanset_expr             { set_op }
  | spanset_expr UNION_CHILD spanset_expr          { set_op }
  | spanset_expr UNION_PARENT spanset_expr         { set_op }
  | spanset_expr UNION_DESC spanset_expr           { set_op }
  | spanset_expr UNION_ANCE spanset_expr           { set_op }
  | spanset_expr UNION_SIBL spanset_expr           { set_op }
  | filter                                         { first }
  ;

filter:
    OPEN_BRACE CLOSE_BRACE                         { filter_empty }
  | OPEN_BRACE field_expr CLOSE_BRACE              { filter }
  ;

scalar_filter:
    scalar_expr scalar_op scalar_expr              { scalar_filter }
  ;

scalar_op:
    EQ                                             { first }
  | NEQ                                            { first }
  | LT                                             { first }
  | LTE                                            { first }
  | GT                                             { first }
  | GTE                                            { first }
  ;

pipe_scalar_filter:
    pipe_scalar scalar_op pipe_scalar              { scalar_filter }
  | pipe_scalar scalar_op static                   { scalar_filter_static }
  ;

pipe_scalar:
    OPEN_PARENS pipe_scalar CLOSE_PARENS           { second }
  | pipe_scalar ADD pipe_scalar                    { scalar_binary }
  | pipe_scalar SUB pipe_scalar                    { scalar_binary }
  | pipe_scalar MUL pipe_scalar                    { scalar_binary }
  | pipe_scalar DIV pipe_scalar                    { scalar_binary }
  | pipe_scalar MOD pipe_scalar                    { scalar_binary }
  | pipe_scalar POW pipe_scalar                    { scalar_binary }
  | wrapped_scalar_pipeline                        { first }
  ;

wrapped_scalar_pipeline:
    OPEN_PARENS scalar_pipeline CLOSE_PARENS       { second }
  ;

scalar_pipeline:
    pipeline PIPE aggregate                        { scalar_pipeline }
  ;

scalar_expr:
    OPEN_PARENS scalar_expr CLOSE_PARENS           { second }
  | scalar_expr ADD scalar_expr                    { scalar_binary }
  | scalar_expr SUB scalar_expr                    { scalar_binary }
  | scalar_expr MUL scalar_expr                    { scalar_binary }
  | scalar_expr DIV scalar_expr                    { scalar_binary }
  | scalar_expr MOD scalar_expr                    { scalar_binary }
  | scalar_expr POW scalar_expr                    { scalar_binary }
  | aggregate                                      { first }
  | INTEGER                                        { scalar_value }
  | FLOAT                                          { scalar_value }
  | DURATION                                       { scalar_value }
  | SUB INTEGER                                    { scalar_value_negative }
  | SUB FLOAT                                      { scalar_value_negative }
  | SUB DURATION                                   { scalar_value_negative }
  ;

aggregate:
    COUNT OPEN_PARENS CLOSE_PARENS                 { aggregate_count }
  | MAX OPEN_PARENS field_expr CLOSE_PARENS        { aggregate }
  | MIN OPEN_PARENS field_expr CLOSE_PARENS        { aggregate }
  | AVG OPEN_PARENS field_expr CLOSE_PARENS        { aggregate }
  | SUM OPEN_PARENS field_expr CLOSE_PARENS        { aggregate }
  ;

metric:
    RATE OPEN_PARENS CLOSE_PARENS                                                       { metric }
  | RATE OPEN_PARENS CLOSE_PARENS group_by                                              { metric_by }
  | COUNT_OVER_TIME OPEN_PARENS CLOSE_PARENS                                            { metric }
  | COUNT_OVER_TIME OPEN_PARENS CLOSE_PARENS group_by                                   { metric_by }
  | MIN_OVER_TIME OPEN_PARENS attribute CLOSE_PARENS                                    { metric_attr }
  | MIN_OVER_TIME OPEN_PARENS attribute CLOSE_PARENS group_by                           { metric_attr_by }
  | MAX_OVER_TIME OPEN_PARENS attribute CLOSE_PARENS                                    { metric_attr }
  | MAX_OVER_TIME OPEN_PARENS attribute CLOSE_PARENS group_by                           { metric_attr_by }
  | AVG_OVER_TIME OPEN_PARENS attribute CLOSE_PARENS                                    { metric_attr }
  | AVG_OVER_TIME OPEN_PARENS attribute CLOSE_PARENS group_by                           { metric_attr_by }
  | SUM_OVER_TIME OPEN_PARENS attribute CLOSE_PARENS                                    { metric_attr }
  | SUM_OVER_TIME OPEN_PARENS attribute CLOSE_PARENS group_by                           { metric_attr_by }
  | HISTOGRAM_OVER_TIME OPEN_PARENS attribute CLOSE_PARENS                              { metric_attr }
  | HISTOGRAM_OVER_TIME OPEN_PARENS attribute CLOSE_PARENS group_by                     { metric_attr_by }
  | QUANTILE_OVER_TIME OPEN_PARENS attribute COMMA numbers CLOSE_PARENS                 { metric_quantile }
  | QUANTILE_OVER_TIME OPEN_PARENS attribute COMMA numbers CLOSE_PARENS group_by        { metric_quantile_by }
  | COMPARE OPEN_PARENS filter CLOSE_PARENS                                             { metric_compare }
  | COMPARE OPEN_PARENS filter COMMA INTEGER CLOSE_PARENS                               { metric_compare_top }
  | COMPARE OPEN_PARENS filter COMMA INTEGER COMMA INTEGER COMMA INTEGER CLOSE_PARENS   { metric_compare_range }
  ;

group_by:
    BY OPEN_PARENS attribute_list CLOSE_PARENS     { third }
  ;

numbers:
    number                                         { numbers_first }
  | numbers COMMA number                           { numbers_next }
  ;

number:
    INTEGER                                        { first }
  | FLOAT                                          { first }
  ;

second_stages:
    second_stage                                   { stages_first }
  | second_stages second_stage                     { stages_next }
  ;

second_stage:
    PIPE TOPK OPEN_PARENS INTEGER CLOSE_PARENS     { stage_limit }
  | PIPE BOTTOMK OPEN_PARENS INTEGER CLOSE_PARENS  { stage_limit }
  | scalar_op INTEGER                              { stage_compare }
  | scalar_op FLOAT                                { stage_compare }
  | scalar_op DURATION                             { stage_compare }
  | scalar_op SUB INTEGER                          { stage_compare_negative }
  | scalar_op SUB FLOAT                            { stage_compare_negative }
  | scalar_op SUB DURATION                         { stage_compare_negative }
  ;

hint:
    IDENTIFIER EQ static                           { hint }
  ;

hint_list:
    hint                                           { hints_first }
  | hint_list COMMA hint                           { hints_next }
  ;

hints:
    WITH OPEN_PARENS hint_list CLOSE_PARENS        { third }
  ;

field_expr:
    OPEN_PARENS field_expr CLOSE_PARENS            { second }
  | field_expr ADD field_expr                      { binary }
  | field_expr SUB field_expr                      { binary }
  | field_expr MUL field_expr                      { binary }
  | field_expr DIV field_expr                      { binary }
  | field_expr MOD field_expr                      { binary }
  | field_expr EQ field_expr                       { binary }
  | field_expr NEQ field_expr                      { binary }
  | field_expr LT field_expr                       { binary }
  | field_expr LTE field_expr                      { binary }
  | field_expr GT field_expr                       { binary }
  | field_expr GTE field_expr                      { binary }
  | field_expr RE field_expr                       { binary }
  | field_expr NRE field_expr                      { binary }
  | field_expr POW field_expr                      { binary }
  | field_expr AND field_expr                      { binary }
  | field_expr OR field_expr                       { binary }
  | SUB field_expr                                 { unary }
  | NOT field_expr                                 { unary }
  | field_expr EQ NIL                              { nil_right }
  | field_expr NEQ NIL                             { nil_right }
  | NIL EQ field_expr                              { nil_left }
  | NIL NEQ field_expr                             { nil_left }
  | NIL EQ NIL                                     { nil_both }
  | NIL NEQ NIL                                    { nil_both }
  | static                                         { field_static }
  | intrinsic                                      { field_attr }
  | attribute_field                                { field_attr }
  | scoped_intrinsic                               { field_attr }
  ;

static:
    STRING                                         { first }
  | INTEGER                                        { first }
  | FLOAT                                          { first }
  | TRUE                                           { static_bool }
  | FALSE                                          { static_bool }
  | DURATION                                       { first }
  | STATUS_OK                                      { static_status }
  | STATUS_ERROR                                   { static_status }
  | STATUS_UNSET                                   { static_status }
  | KIND_UNSPECIFIED                               { static_kind }
  | KIND_INTERNAL                                  { static_kind }
  | KIND_SERVER                                    { static_kind }
  | KIND_CLIENT                                    { static_kind }
  | KIND_PRODUCER                                  { static_kind }
  | KIND_CONSUMER                                  { static_kind }
  | IDENTIFIER                                     { static_constant }
  ;

intrinsic:
    IDURATION                                      { intrinsic }
  | NAME                                           { intrinsic }
  | STATUS                                         { intrinsic }
  | STATUS_MESSAGE                                 { intrinsic }
  | KIND                                           { intrinsic }
  | PARENT                                         { intrinsic }
  | ROOTNAME                                       { intrinsic }
  | ROOTSERVICENAME                                { intrinsic }
  | TRACEDURATION                                  { intrinsic }
  | NESTEDSETLEFT                                  { intrinsic }
  | NESTEDSETRIGHT                                 { intrinsic }
  | NESTEDSETPARENT                                { intrinsic }
  ;

scoped_intrinsic:
    TRACE_COLON IDURATION                          { scoped_intrinsic }
  | TRACE_COLON ROOTNAME                           { scoped_intrinsic }
  | TRACE_COLON ROOTSERVICE                        { scoped_intrinsic }
  | TRACE_COLON ID                                 { scoped_intrinsic }
  | SPAN_COLON IDURATION                           { scoped_intrinsic }
  | SPAN_COLON NAME                                { scoped_intrinsic }
  | SPAN_COLON KIND                                { scoped_intrinsic }
  | SPAN_COLON STATUS                              { scoped_intrinsic }
  | SPAN_COLON STATUS_MESSAGE                      { scoped_intrinsic }
  | SPAN_COLON ID                                  { scoped_intrinsic }
  | SPAN_COLON PARENT_ID                           { scoped_intrinsic }
  | SPAN_COLON CHILDCOUNT                          { scoped_intrinsic }
  | EVENT_COLON NAME                               { scoped_intrinsic }
  | EVENT_COLON TIMESINCESTART                     { scoped_intrinsic }
  | LINK_COLON TRACE_ID                            { scoped_intrinsic }
  | LINK_COLON SPAN_ID                             { scoped_intrinsic }
  | INSTRUMENTATION_COLON NAME                     { scoped_intrinsic }
  | INSTRUMENTATION_COLON VERSION                  { scoped_intrinsic }
  ;

attribute_field:
    DOT IDENTIFIER END_ATTRIBUTE                     { attribute }
  | RESOURCE_DOT IDENTIFIER END_ATTRIBUTE            { attribute }
  | SPAN_DOT IDENTIFIER END_ATTRIBUTE                { attribute }
  | PARENT_DOT IDENTIFIER END_ATTRIBUTE              { attribute }
  | PARENT_DOT RESOURCE_DOT IDENTIFIER END_ATTRIBUTE { attribute_parent }
  | PARENT_DOT SPAN_DOT IDENTIFIER END_ATTRIBUTE     { attribute_parent }
  | EVENT_DOT IDENTIFIER END_ATTRIBUTE               { attribute }
  | LINK_DOT IDENTIFIER END_ATTRIBUTE                { attribute }
  | INSTRUMENTATION_DOT IDENTIFIER END_ATTRIBUTE     { attribute }
  ;
